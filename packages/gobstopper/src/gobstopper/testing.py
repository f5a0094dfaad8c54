"""The test clients and the fake server: re-exported from `gobstopper_http.testing`."""

from gobstopper_http.testing import AsyncTestClient as AsyncTestClient
from gobstopper_http.testing import TestClient as TestClient

__all__ = ["AsyncTestClient", "TestClient"]

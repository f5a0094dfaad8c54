"""Helpers of the integration suite: a real Granian in a subprocess."""

from .granian import GranianServer as GranianServer
from .granian import GranianStartError as GranianStartError
from .granian import granian_server as granian_server

__all__ = ["GranianServer", "GranianStartError", "granian_server"]

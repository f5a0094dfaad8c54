"""The application class."""

from ..app import Gobstopper as Gobstopper

__all__ = ["Gobstopper"]

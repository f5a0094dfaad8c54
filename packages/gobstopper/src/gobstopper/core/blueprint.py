"""Blueprints: re-exported from `gobstopper_routing`."""

from gobstopper_routing import Blueprint as Blueprint

__all__ = ["Blueprint"]

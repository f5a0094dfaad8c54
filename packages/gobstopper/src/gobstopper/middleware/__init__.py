"""Middleware: each in a module of its own, re-exported from `gobstopper_middleware`."""

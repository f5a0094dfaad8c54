"""Whether an address is of this machine alone."""

from __future__ import annotations

__all__ = ["is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`: `localhost`, an address of 127.0.0.0/8, `::1` or a Unix socket."""
    from ipaddress import ip_address

    if host == "localhost" or host.startswith("unix:"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

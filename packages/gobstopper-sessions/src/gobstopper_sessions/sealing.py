"""Signed and encrypted text for cookies, with keys that can be rotated."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["MIN_KEY", "Sealer"]

MIN_KEY = 32
"""Bytes that a secret key must have."""

_SALT = 24
_NONCE = bytes(12)  # every message has a key of its own, so the nonce need not change
_LABEL = b"gobstopper sealed v1\0"


class Sealer:
    """Seals bytes with AES-256-GCM; whoever lacks the keys can neither read nor change nor make a sealed text.

    The key of a message is HMAC-SHA256(secret key, label and a random salt of 192 bits), so there is no bound on the
    number of messages that matters.

    Args:
        keys: The first seals, all open. Rotate by putting a new one first, and drop the last when what it sealed has
            expired.

    Raises:
        ValueError: for no key, or one shorter than 32 bytes.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        self._keys = [key.encode() if isinstance(key, str) else bytes(key) for key in keys]
        if not self._keys:
            raise ValueError(
                "no secret key: give one of at least 32 random bytes, as `secrets.token_urlsafe(32)` makes"
            )
        for position, key in enumerate(self._keys):
            if len(key) < MIN_KEY:
                raise ValueError(
                    f"secret key {position + 1} of {len(self._keys)} has {len(key)} bytes of at least {MIN_KEY}: "
                    "make one with `secrets.token_urlsafe(32)`"
                )

    def seal(self, data: bytes, purpose: bytes) -> str:
        """Seal `data`; it opens for the same `purpose` only. The text is URL-safe base64."""
        salt = secrets.token_bytes(_SALT)
        sealed = AESGCM(_derived(self._keys[0], salt)).encrypt(_NONCE, data, purpose)
        return base64.urlsafe_b64encode(salt + sealed).rstrip(b"=").decode()

    def open(self, text: str, purpose: bytes) -> bytes | None:
        """The bytes in a sealed text; `None` if it is not one of ours, for this purpose, unchanged."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return None
        salt, sealed = raw[:_SALT], raw[_SALT:]
        for key in self._keys:
            try:
                return AESGCM(_derived(key, salt)).decrypt(_NONCE, sealed, purpose)
            except (InvalidTag, ValueError):
                continue
        return None


def _derived(key: bytes, salt: bytes) -> bytes:
    return hmac.digest(key, _LABEL + salt, "sha256")

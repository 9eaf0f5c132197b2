"""Tokens, password hashes and rate limits."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict

TOKEN_BYTES = 16
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1
_REMEMBERED = 10_000


def new_token() -> str:
    """Return 128 random bits as 22 URL-safe characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text; the database stores tokens in this form only."""
    return hashlib.sha256(text.encode()).hexdigest()


def platform_hash(secret: bytes, identity: str, salt: str) -> str:
    """Return the hash under which a platform's ID is stored.

    Args:
        secret: the survey's secret.
        identity: the ID.
        salt: the participant's salt as hexadecimal digits; once it is deleted, nobody can recognize the ID.
    """
    return hashlib.sha256(secret + bytes.fromhex(salt) + identity.encode()).hexdigest()


def is_storable(data: object) -> bool:
    """Return whether no text within JSON data has NUL characters or lone surrogates."""
    if isinstance(data, str):
        return "\0" not in data and not any("\ud800" <= character <= "\udfff" for character in data)
    if isinstance(data, dict):
        return all(is_storable(part) for pair in data.items() for part in pair)
    return all(map(is_storable, data)) if isinstance(data, (list, tuple)) else True


def hash_password(password: str) -> str:
    """Return a salted scrypt hash of a password."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def password_fits(password: str, stored: str) -> bool:
    """Return whether a password matches a hash of `hash_password`."""
    salt, _, digest = stored.partition("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)


class RateLimit:
    """A token bucket per address: `per_minute` attempts per minute, in bursts of the same size.

    Addresses are kept in memory only, hashed with a salt of this process.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._salt = secrets.token_hex(16)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, address: str) -> bool:
        """Count an attempt, and return whether it is allowed."""
        key, now = sha256_text(self._salt + address), time.monotonic()
        with self._lock:
            left, then = self._left.pop(key, (float(self._per_minute), now))
            left = min(self._per_minute, left + (now - then) * self._per_minute / 60)
            allowed = left >= 1
            self._left[key] = (left - 1 if allowed else left, now)
            while len(self._left) > _REMEMBERED:
                self._left.popitem(last=False)
            return allowed

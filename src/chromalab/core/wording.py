"""Counts and lists within sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return `count` with thousands separators and the noun in singular or plural.

    >>> plural(1, "photo"), plural(4750, "photo"), plural(2, "study", "studies")
    ('1 photo', '4,750 photos', '2 studies')
    """
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def listing(words: Iterable[str], conjunction: str = "and") -> str:
    """Return words joined as in a sentence.

    >>> listing(["l1"]), listing(["l1", "l2", "perceptual"]), listing(["l1", "l2"], "or")
    ('l1', 'l1, l2 and perceptual', 'l1 or l2')
    """
    *most, last = list(words) or [""]
    return f"{', '.join(most)} {conjunction} {last}" if most else last

"""Errors for users: each message states the problem, with value and place, and what to do.

The command line prints the message of a `ChromalabError` as one line and exits with its `exit_code`;
any other exception is a bug of this project and shows a traceback.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class ChromalabError(Exception):
    """Base of all errors whose message is meant for users."""

    exit_code: ClassVar[int] = 1


class UsageError(ChromalabError):
    """A request that can't be fulfilled, such as a wrong name, an empty folder or a missing device."""

    exit_code: ClassVar[int] = 2


class ConfigError(UsageError):
    """A configuration with an unknown key, a wrong type or a value out of range."""


class UnknownNameError(UsageError):
    """A name that is not in a registry; the message suggests the closest names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"unknown {kind} '{name}'{suggestion(name, self.known)}")


class MissingWeightsError(UsageError):
    """A weight file that an objective or metric needs is not on this machine."""


class DamagedWeightsError(UsageError):
    """A weight file differs from the published or stored one."""


class UnknownWeightsError(UsageError):
    """A weight file that chromalab can't use: foreign, truncated, incomplete, or with other tensor shapes."""


class DownloadError(UsageError):
    """A download that failed."""


class OutputError(ChromalabError):
    """Output that could not be written, because the disk is full or the folder is read-only.

    Attributes:
        one_path: only this path cannot be written, for example because its name is too long; others may be.
    """

    def __init__(self, message: str, *, one_path: bool = False) -> None:
        self.one_path = one_path
        super().__init__(message)


class NonFiniteError(ChromalabError):
    """A loss or gradient that is not finite; the message names the term."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" with the closest known names, or else the list of all known names.

    >>> suggestion("lsgam", ["lsgan", "l1"])
    "; did you mean 'lsgan'?"
    >>> suggestion("zzz", ["lsgan", "l1"])
    '; known are: l1, lsgan'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return "; did you mean " + " or ".join(f"'{match}'" for match in close) + "?"
    return "; known are: " + ", ".join(names)

"""Errors that people see: each says what came, what was expected and what to do.

The command line prints the message of a `ChromalabError` as one line and exits with its `exit_code`;
any other exception is a fault of this project and shows a traceback.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class ChromalabError(Exception):
    """Base of every error that is meant to be read by a person."""

    exit_code: ClassVar[int] = 1


class UsageError(ChromalabError):
    """What was asked for can't be done as asked: a wrong name, an empty folder, a missing device."""

    exit_code: ClassVar[int] = 2


class ConfigError(UsageError):
    """A configuration has an unknown key, a wrong type or a value out of range."""


class UnknownNameError(UsageError):
    """A name that a registry does not hold; the message offers the closest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"unknown {kind} '{name}'{suggestion(name, self.known)}")


class MissingWeightsError(UsageError):
    """An objective or metric needs a weight file that is not on this machine."""


class DamagedWeightsError(UsageError):
    """The bytes of a weight file are not those that were published or stored."""


class UnknownWeightsError(UsageError):
    """A file is not a weight file that chromalab can use: foreign, cut off, incomplete or of other shapes."""


class DownloadError(UsageError):
    """A file could not be downloaded."""


class OutputError(ChromalabError):
    """The output could not be written: the disk is full, or the folder is read-only."""


class NonFiniteError(ChromalabError):
    """Training produced a value that is not a finite number; the message names the term."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the closest known names, else the list of what is known.

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

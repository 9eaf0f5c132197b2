"""What comes back of a task, wherever it ran."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Failure:
    """Why a task has no result, in words that a person can act on.

    Attributes:
        message: as the error said it.
        exit_code: what the command line ends with.
    """

    message: str
    exit_code: int = 1


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """A task that is over.

    Attributes:
        index: its place in the list of tasks.
        result: what it returned; None where it failed.
        failure: why it failed, if it did.
    """

    index: int
    result: R | None
    failure: Failure | None = None


class Executor(Protocol):
    """Runs tasks, several at once where it can."""

    def each(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[Outcome[R]]:
        """Give the outcome of `function` of every task, in the order in which they end.

        Args:
            function: a module's own function, so that another process can import it; it raises `ChromalabError` for
                what is to be a failure.
            tasks: picklable.
        """

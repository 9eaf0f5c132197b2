"""Tasks that may run on other machines: executors, outcomes, and checks on the machine of a task."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from chromalab.core.errors import UsageError
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Failure:
    """The reason why a task has no result, as a message for the user.

    Attributes:
        message: message of the error.
        exit_code: exit code of the command line.
    """

    message: str
    exit_code: int = 1


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """The outcome of a finished task.

    Attributes:
        index: position of the task in the list of tasks.
        result: return value of the task; None if it failed.
        failure: why the task failed; None if it succeeded.
    """

    index: int
    result: R | None
    failure: Failure | None = None


class Executor(Protocol):
    """Runs tasks, several at once where possible."""

    def each(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[Outcome[R]]:
        """Yield the outcome of `function` for every task, in the order in which the tasks finish.

        Args:
            function: a function at module level, so that another process can import it. It raises `ChromalabError` to
                report a failure.
            tasks: picklable arguments of `function`.
        """


def check_version(version: str) -> None:
    """Check that this node has the same version of chromalab as the sender of a task.

    Raises:
        UsageError: the versions differ.
    """
    if version != __version__:
        raise UsageError(
            f"{platform.node()} has chromalab {__version__}, the sender {version}: install the same everywhere"
        )


def task_threads() -> int:
    """Return the number of threads that this task may use; Ray passes it to tasks as `OMP_NUM_THREADS`."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))

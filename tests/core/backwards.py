"""An executor for tests that runs the last task first and pickles everything, as a cluster does."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.errors import ChromalabError
from chromalab.core.executors import Failure, Outcome, R, T

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence


@dataclass(frozen=True)
class Backwards:
    """Runs tasks from the last to the first.

    Attributes:
        dying: indices of the tasks whose node dies.
    """

    dying: Collection[int] = ()

    def each(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[Outcome[R]]:
        """Yield the outcome of every task; see `Executor`."""
        for index in reversed(range(len(tasks))):
            if index in self.dying:
                yield Outcome(index, None, Failure("its node or process died"))
                continue
            try:
                result = pickle.loads(pickle.dumps(function))(pickle.loads(pickle.dumps(tasks[index])))  # noqa: S301
                yield Outcome(index, pickle.loads(pickle.dumps(result)))  # noqa: S301
            except ChromalabError as error:
                yield Outcome(index, None, Failure(str(error), error.exit_code))

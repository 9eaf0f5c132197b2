"""Tasks on a Ray cluster: as many at once as its processors and GPUs allow, tried again where a node dies."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.core.executors.outcome import Failure, Outcome, R, T

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported: nothing is reported to anybody

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise UsageError(f"--executor ray needs Ray: pip install 'chromalab[ray]' ({error})") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

_CARRIED = ("CHROMALAB_CACHE", "CHROMALAB_WEIGHTS")
"""Variables that a task sees as its sender has them."""


PATIENCE_S = 10.0
"""How long a cluster may take to answer."""


@dataclass(frozen=True)
class Resources:
    """What one task holds while it runs.

    Attributes:
        cpus: processors; also the number of threads that numerical libraries of the task are given.
        gpus: GPUs; a half lets two tasks share one.
        retries: how often a task is tried again whose node died.
    """

    cpus: float = 1
    gpus: float = 0
    retries: int = 2


class RayExecutor:
    """Runs tasks on a cluster.

    Args:
        resources: what one task holds.
        address: `HOST:PORT` of the cluster's head, `ray://HOST:PORT` from outside, `auto` for the cluster that this
            machine belongs to; None starts Ray on this machine alone.
        fresh_processes: every task has a process of its own: what it loads and sets, as threads, ends with it.

    Raises:
        UsageError: there is no cluster, or none of its nodes has what one task holds.
    """

    def __init__(self, resources: Resources, address: str | None = None, *, fresh_processes: bool = False) -> None:
        self._resources = resources
        self._calls = 1 if fresh_processes else 0  # of a process; 0 is no limit
        environment = {"env_vars": {name: os.environ[name] for name in _CARRIED if name in os.environ}}
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment)
        except (RayError, OSError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"no Ray cluster answers at {address or 'this machine'}: {_first_line(error)}; start one with "
                "'ray start --head' and give its address, or leave --address out to use this machine alone"
            ) from error
        self._check_room()

    def _check_room(self) -> None:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        wanted = self._resources
        if not any(node.get("CPU", 0) >= wanted.cpus and node.get("GPU", 0) >= wanted.gpus for node in nodes):
            largest = max((node.get("CPU", 0) for node in nodes), default=0)
            gpus = max((node.get("GPU", 0) for node in nodes), default=0)
            ray.shutdown()
            raise UsageError(
                f"no node of the cluster has {wanted.cpus:g} processors and {wanted.gpus:g} GPUs for one task: the "
                f"largest have {largest:g} and {gpus:g}"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        ray.shutdown()

    def each(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[Outcome[R]]:
        """Give the outcome of every task, in the order in which they end; see `Executor`."""
        remote = ray.remote(max_calls=self._calls)(_call).options(
            num_cpus=self._resources.cpus, num_gpus=self._resources.gpus, max_retries=self._resources.retries
        )
        waiting = {remote.remote(function, task): index for index, task in enumerate(tasks)}
        while waiting:
            (reference,), _ = ray.wait(list(waiting), num_returns=1)
            yield self._outcome(waiting.pop(reference), reference)

    def _outcome(self, index: int, reference: Any) -> Outcome[Any]:
        try:
            result = ray.get(reference)
        except RayTaskError:
            raise  # a fault of this project: its traceback tells where
        except RayError as error:
            again = f" (tried {self._resources.retries + 1} times)" if self._resources.retries else ""
            return Outcome(index, None, Failure(f"its node or process died{again}: {_first_line(error)}"))
        return Outcome(index, None, result) if isinstance(result, Failure) else Outcome(index, result)


def _knock(address: str | None) -> None:
    """See whether anybody listens at an address: Ray itself would ask for minutes.

    Raises:
        OSError: nobody does.
        ValueError: it is no address.
    """
    if address in {None, "auto", "local"}:
        return
    parts = urlsplit(address if "://" in str(address) else f"ray://{address}")
    if not parts.hostname or not parts.port:
        raise ValueError(f"'{address}' is not HOST:PORT, ray://HOST:PORT or auto")
    socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S).close()


def _call(function: Callable[[Any], Any], task: Any) -> Any:
    """Run a task on its node; errors that people read come back as such, for not every exception can travel."""
    try:
        return function(task)
    except ChromalabError as error:
        return Failure(str(error), error.exit_code)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__

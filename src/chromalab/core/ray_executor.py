"""An executor on a Ray cluster, which runs as many tasks at once as processors and GPUs allow."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.core.executors import Failure, Outcome, R, T

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads this on import: it sends no usage statistics

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise UsageError(f"--executor ray needs Ray: pip install 'chromalab[ray]' ({error})") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

_CARRIED = ("CHROMALAB_CACHE", "CHROMALAB_WEIGHTS")
"""Environment variables that tasks inherit from their sender."""

PATIENCE_S = 10.0
"""Time limit for a connection to a cluster."""


@dataclass(frozen=True)
class Resources:
    """The resources that one task reserves while it runs.

    Attributes:
        cpus: processors, which is also the number of threads of the task's numerical libraries.
        gpus: GPUs; with 0.5, two tasks share one.
        retries: number of further attempts after the node of a task died.
    """

    cpus: float = 1
    gpus: float = 0
    retries: int = 2


class RayExecutor:
    """Runs tasks on a Ray cluster.

    Args:
        resources: the resources of one task.
        address: `HOST:PORT` of the cluster's head, `ray://HOST:PORT` from outside the cluster, or `auto` for the
            cluster of this machine. None starts Ray on this machine only.
        fresh_processes: run every task in a process of its own, so that its settings, such as the number of threads,
            do not affect the next task.

    Raises:
        UsageError: no cluster answers, or none of its nodes has the resources of one task.
    """

    def __init__(self, resources: Resources, address: str | None = None, *, fresh_processes: bool = False) -> None:
        self._resources = resources
        self._calls = 1 if fresh_processes else 0  # tasks per process; 0 means no limit
        environment = {"env_vars": {name: os.environ[name] for name in _CARRIED if name in os.environ}}
        try:
            _check_reachable(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment)
        except (RayError, OSError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"no Ray cluster answers at {address or 'this machine'}: {_first_line(error)}; start one with "
                "'ray start --head' and pass its address, or omit --address to use only this machine"
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
                f"no node of the cluster has {wanted.cpus:g} processors and {wanted.gpus:g} GPUs for one task (the "
                f"largest have {largest:g} and {gpus:g}): request fewer, or add a larger node"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        ray.shutdown()

    def each(self, function: Callable[[T], R], tasks: Sequence[T]) -> Iterator[Outcome[R]]:
        """Yield the outcome of every task, in the order in which the tasks finish; see `Executor`."""
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
            raise  # a bug of this project: its traceback shows the place
        except RayError as error:
            again = f" (tried {self._resources.retries + 1} times)" if self._resources.retries else ""
            return Outcome(index, None, Failure(f"its node or process died{again}: {_first_line(error)}"))
        return Outcome(index, None, result) if isinstance(result, Failure) else Outcome(index, result)


def _check_reachable(address: str | None) -> None:
    """Try to connect to an address, because Ray itself would keep trying for minutes.

    Raises:
        OSError: the connection fails.
        ValueError: the address is malformed.
    """
    if address in {None, "auto", "local"}:
        return
    parts = urlsplit(address if "://" in str(address) else f"ray://{address}")
    if not parts.hostname or not parts.port:
        raise ValueError(f"'{address}' is not HOST:PORT, ray://HOST:PORT or auto")
    socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S).close()


def _call(function: Callable[[Any], Any], task: Any) -> Any:
    """Run a task on its node, and turn a `ChromalabError` into a `Failure`, which can always be pickled."""
    try:
        return function(task)
    except ChromalabError as error:
        return Failure(str(error), error.exit_code)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__

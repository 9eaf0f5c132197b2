"""Tasks on a local Ray cluster of three nodes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from chromalab.core.errors import UnknownNameError, UsageError
from chromalab.core.executors import Outcome

if os.environ.get("CI") != "true":
    pytest.importorskip("ray", reason="install the extra 'ray' to run these")

from ray.cluster_utils import Cluster

from chromalab.core.ray_executor import RayExecutor, Resources

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def work(task: tuple[str, str]) -> str:
    """Behave as requested by the first word."""
    what, folder = task
    with (Path(folder) / what).open("a") as file:
        file.write("began\n")
    if what == "unknown":
        raise UnknownNameError("loss", "l3", ["l1", "l2"])
    if what == "slow":
        time.sleep(8)
    if what == "die":
        os._exit(1)
    return f"{what} with {os.environ['OMP_NUM_THREADS']} thread, {os.environ['CHROMALAB_CACHE']}"


def test_tasks_succeed_fail_and_are_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RAY_worker_niceness", "0")  # otherwise other processes delay it for minutes
    small: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    try:
        others = [cluster.add_node(**small) for _ in range(2)]
        with RayExecutor(Resources(cpus=1, retries=1), cluster.address) as executor:
            tasks = [
                ("slow", str(tmp_path)),
                ("unknown", str(tmp_path)),
                ("die", str(tmp_path)),
                ("quick", str(tmp_path)),
            ]
            found: dict[int, Outcome[str]] = {}
            for outcome in executor.each(work, tasks):
                found[outcome.index] = outcome
        assert sorted(found) == [0, 1, 2, 3]
        assert next(iter(found)) != 0, "what ends first is given first"
        assert found[3].result == f"quick with 1 thread, {tmp_path / 'cache'}"
        failure = found[1].failure
        assert failure is not None
        assert failure.message == "unknown loss 'l3'; known are: l1, l2"
        assert failure.exit_code == 2
        died = found[2].failure
        assert died is not None
        assert "its node or process died (tried 2 times)" in died.message
        assert (tmp_path / "die").read_text().count("began") == 2
        with pytest.raises(UsageError, match="no node of the cluster has 7 processors and 0 GPUs for one task"):
            RayExecutor(Resources(cpus=7), cluster.address)
        assert others
    finally:
        cluster.shutdown()
    with pytest.raises(UsageError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        RayExecutor(Resources(), "127.0.0.1:1")

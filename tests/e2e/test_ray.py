"""A study on a cluster gives the results of one process, although a node and the sender die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.photo.odd_files import picture, save

from .conftest import Chromalab

if os.environ.get("CI") != "true":
    pytest.importorskip("ray", reason="install the extra 'ray' to run these")

from ray.cluster_utils import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

GRID = """
name: grid
title: A grid
objectives: {l1: l1, l2: l2, charbonnier: charbonnier}
seeds: [0]
training: {crop_px: 32, batch_size: 2, pictures: 80}
metrics: [psnr]
pictured: 1
"""
COMMAND = "from chromalab.cli.main import run; run()"
DEADLINE_S = 200


def wait_for(what: str, seen: object) -> None:
    """Wait until a function says yes."""
    assert callable(seen)
    began = time.monotonic()
    while not seen():
        assert time.monotonic() - began < DEADLINE_S, f"waited too long for {what}"
        time.sleep(0.2)


@pytest.mark.usefixtures("blank_figures")
def test_a_study_survives_dead_nodes(chromalab: Chromalab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else other tests go first, for minutes
    study, here, there = tmp_path / "grid.yaml", tmp_path / "here", tmp_path / "there"
    study.write_text(GRID)
    assert chromalab("compare", "run", study, "--out", here).code == 0

    small: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    try:
        other = cluster.add_node(**small)
        command = [
            sys.executable, "-c", COMMAND, "compare", "run", str(study), "--out", str(there),
            "--executor", "ray", "--address", str(cluster.address), "--threads", "1",
        ]  # fmt: skip
        sender = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def finished() -> dict[Path, int]:
            return {path: path.stat().st_mtime_ns for path in there.glob("runs/*/record.json")}

        wait_for("two runs at once", lambda: len(list(there.glob("runs/*"))) == 2)
        cluster.remove_node(other, allow_graceful=False)
        wait_for("two finished runs", lambda: len(finished()) >= 2)
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        before = finished()
        assert len(before) == 2

        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 0, done.stderr
        assert len(finished()) == 3
        assert {path: finished()[path] for path in before} == before, "a finished run was repeated"
    finally:
        cluster.shutdown()
    for path in sorted(here.glob("runs/*/*")):
        if path.name in {"model.safetensors", "metrics.csv", "train.csv"}:
            assert (there / path.relative_to(here)).read_bytes() == path.read_bytes(), path
    assert (there / "report" / "report.html").exists()


def test_photos_are_colorized_and_evaluated(
    chromalab: Chromalab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")
    for number in range(20):
        save(tmp_path / "photos" / f"{number:02}.png", picture(seed=number))
    small: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    try:
        cluster.add_node(**small)
        spread = ("--executor", "ray", "--address", str(cluster.address))
        done = chromalab("colorize", tmp_path / "photos", "-o", f"{tmp_path}/there/", "--report", *spread)
        assert done.code == 0, done.err
        assert "20 colorized, 0 failed" in done.out
        judged = chromalab(
            "evaluate", tmp_path / "there", tmp_path / "photos", "--metrics", "mae,delta_e_2000,frechet_lite0",
            "--json", tmp_path / "there.json", *spread,
        )  # fmt: skip
        assert judged.code == 0, judged.err
    finally:
        cluster.shutdown()
    again = chromalab("colorize", tmp_path / "photos", "-o", f"{tmp_path}/there/")
    assert "0 colorized, 20 finished before" in again.out
    assert chromalab("colorize", tmp_path / "photos", "-o", f"{tmp_path}/here/", "--workers", "2").code == 0
    for path in (tmp_path / "here").glob("*.png"):
        assert (tmp_path / "there" / path.name).read_bytes() == path.read_bytes()
    assert chromalab(
        "evaluate", tmp_path / "there", tmp_path / "photos", "--metrics", "mae,delta_e_2000,frechet_lite0",
        "--json", tmp_path / "here.json",
    ).code == 0  # fmt: skip
    assert (tmp_path / "here.json").read_bytes() == (tmp_path / "there.json").read_bytes()


def test_unsupported_options_are_refused(chromalab: Chromalab, tmp_path: Path) -> None:
    photo = save(tmp_path / "photos" / "a.png", picture())
    one = chromalab("colorize", photo, "-o", tmp_path / "b.png", "--executor", "ray")
    assert one.code == 2
    assert "--executor ray needs an output folder" in one.err
    versions = chromalab("colorize", photo.parent, "-o", f"{tmp_path}/out/", "--samples", "2", "--executor", "ray")
    assert versions.code == 2
    assert "--samples does not run on a cluster" in versions.err


def test_an_unreachable_cluster(chromalab: Chromalab, tmp_path: Path) -> None:
    study = tmp_path / "grid.yaml"
    study.write_text(GRID)
    done = chromalab(
        "compare", "run", study, "--out", tmp_path / "out", "--executor", "ray", "--address", "127.0.0.1:1"
    )
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: no Ray cluster answers at 127.0.0.1:1")

"""Studies and evaluations as calls from Python, and what their import costs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import chromalab.evaluation
import chromalab.stats
import chromalab.studies
from chromalab.photo.writing import write_png
from chromalab.studies.config import StudyConfig
from chromalab.training.settings import RuntimeSettings

if TYPE_CHECKING:
    from pathlib import Path

TINY = StudyConfig.parse(
    {
        "name": "tiny",
        "title": "A tiny study",
        "objectives": {"l1": "l1", "l2": "l2"},
        "seeds": [0],
        "training": {"crop_px": 32, "batch_size": 2, "pictures": 4},
    },
    origin="here",
)
RUNTIME = RuntimeSettings(device="cpu", threads=1, tensorboard=False)


@pytest.mark.slow
def test_a_study_runs_from_python_and_resumes(tmp_path: Path) -> None:
    analysis = chromalab.studies.run(TINY, tmp_path / "out", runtime=RUNTIME)
    assert (analysis.objectives, analysis.missing_runs) == (["l1", "l2"], [])
    record = tmp_path / "out" / "runs" / "l1-lab-s0" / "record.json"
    before = record.read_bytes()
    assert chromalab.studies.run(TINY, out=tmp_path / "out", runtime=RUNTIME) == analysis
    assert record.read_bytes() == before


def test_folders_are_evaluated_from_python(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(3):
        target = rng.integers(0, 200, (40, 48, 3), dtype=np.uint8)
        for name, change in (("target", 0), ("five", 5), ("ten", 10)):
            write_png(tmp_path / name / f"{index}.png", target + np.uint8(change))
    one = chromalab.evaluation.evaluate(str(tmp_path / "five"), tmp_path / "target", metrics=["mae"], device="cpu")
    assert one.record.metrics["mae"].mean == pytest.approx(5 / 255)
    methods = {name: tmp_path / name for name in ("five", "ten")}
    settings = chromalab.evaluation.EvaluationSettings(metrics=["mae"], protocol="cic", device="cpu")
    both = chromalab.evaluation.compare_folders(methods, target=tmp_path / "target", settings=settings)
    assert both.record.protocol == "cic"
    assert [method.name for method in both.record.methods] == ["grey", "five", "ten", "truth"]
    (difference,) = both.record.differences
    assert difference.winner == "five"
    assert difference.mean == pytest.approx(-5 / 255, rel=0.01)


@pytest.mark.parametrize("package", [chromalab.evaluation, chromalab.stats, chromalab.studies])
def test_every_public_name_is_there(package: object) -> None:
    names: list[str] = package.__all__  # type: ignore[attr-defined]
    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    for name in names:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        package.absent  # type: ignore[attr-defined]  # noqa: B018


def test_packages_import_without_pytorch_and_scipy() -> None:
    code = (
        "import sys, chromalab.evaluation, chromalab.stats, chromalab.studies\n"
        "assert not {'torch', 'scipy', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

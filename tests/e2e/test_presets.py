"""Every published mixture in a small study, and custom objectives on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from chromalab.studies.config import load_config
from chromalab.studies.recipe import TrainingRecord
from chromalab.studies.records import RunRecord, StudyRecord
from chromalab.training.presets import PRESETS

from .conftest import Chromalab


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test without added weights: stand-ins have to be found."""
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_every_preset_runs_with_smoke(chromalab: Chromalab, tmp_path: Path) -> None:
    study = {
        "name": "all",
        "title": "All presets",
        "objectives": {name: name for name in PRESETS},
        "seeds": [0],
        "metrics": ["psnr", "delta_e_2000", "ssim", "colorfulness"],
    }
    path, out = tmp_path / "all.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    done = chromalab("compare", "run", path, "--out", out, "--smoke")
    assert done.code == 0, done.err
    record = StudyRecord.load(out / "study.json")
    assert record.prior is not None
    assert "training photos" in record.prior
    assert (out / "prior.json").exists()
    by_name = {entry.id: entry for entry in record.objectives}
    assert list(by_name) == list(PRESETS)
    assert "perceptual_lite0" in by_name["ddcolor"].formula
    assert by_name["ddcolor"].stand_ins
    assert by_name["chromagan"].trunks == ["efficientnet_lite0"], "the class head's teacher"
    page = (out / "report" / "report.html").read_text(encoding="utf-8")
    assert PRESETS["bigcolor"].source.split(",")[0] in page
    for name in PRESETS:
        assert RunRecord.load(out / "runs" / f"{name}-lab-s0" / "record.json").preset == name


def test_the_study_of_published_mixtures_has_all_papers() -> None:
    papers = [name for name in PRESETS if not name.startswith("chapter_")]
    assert list(load_config(Path("presets")).objectives) == papers


@pytest.mark.slow
def test_training_a_preset_takes_its_published_optimizer(chromalab: Chromalab, tmp_path: Path) -> None:
    done = chromalab("train", "--loss", "pix2pix", "--out", tmp_path / "theirs", "--smoke")
    assert done.code == 0, done.err
    theirs = TrainingRecord.load(tmp_path / "theirs" / "training.json").objective
    assert theirs is not None
    assert theirs.preset == "pix2pix"
    assert theirs.optimizer == "adam at 0.0002, betas (0.5, 0.999)"
    assert theirs.critic is not None
    assert theirs.critic.startswith("patchgan70")


@pytest.mark.slow
def test_an_objective_in_a_file_with_balanced_terms(chromalab: Chromalab, tmp_path: Path) -> None:
    path, out = tmp_path / "mine.yaml", tmp_path / "out"
    path.write_text("loss:\n  - l1\n  - {loss: ssim, weight: 0.5}\nbalance: true\n")
    done = chromalab("train", "--loss", path, "--out", out, "--smoke")
    assert done.code == 0, done.err
    with (out / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["ssim.share"]) == pytest.approx(1 / 3, abs=1e-3)
    assert {"l1.weight", "ssim.weight", "cosine.l1.ssim"} <= set(rows[0])


def test_presets_are_listed(chromalab: Chromalab) -> None:
    rows = json.loads(chromalab("list", "presets", "--json").out)
    assert [row["name"] for row in rows] == list(PRESETS)


@pytest.mark.slow
def test_mistakes_print_one_line(chromalab: Chromalab, tmp_path: Path) -> None:
    for loss, message in (
        ("pix2pick", "did you mean 'pix2pix'"),
        ("nowhere.yaml", "no such file"),
        ("l2 + colorfulness(opponents=singed)", "expected one of absolute, signed"),
        ("cross_entropy(rebalance=2)", "expected a number from 0.01 to 1"),
    ):
        done = chromalab("train", "--loss", loss, "--out", tmp_path / "out", "--smoke")
        assert done.code == 2
        assert message in done.err
        assert done.err.count("\n") == 1

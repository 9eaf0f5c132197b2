"""Runs of a study, one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chromalab.core.errors import NonFiniteError
from chromalab.photo.writing import write_png
from chromalab.studies.config import StudyConfig
from chromalab.studies.opening import open_study
from chromalab.studies.records import FAILED_FILE, FailedRun
from chromalab.studies.runs import run_study
from chromalab.training.loop import train
from chromalab.training.settings import RuntimeSettings

RUNTIME = RuntimeSettings(device="cpu", threads=1, tensorboard=False)


@pytest.mark.slow
def test_a_training_that_diverges_stops_no_other_and_counts_as_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for index in range(8):
        write_png(tmp_path / "photos" / f"{index}.png", rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    config = StudyConfig.parse(
        {
            "name": "tiny",
            "data": {"source": str(tmp_path / "photos"), "val_share": 0.2},
            "objectives": {"l1": "l1", "l2": "l2"},
            "metrics": ["psnr"],
            "seeds": [0],
            "training": {"crop_px": 32, "batch_size": 2, "images": 6},
        },
        origin="here",
    )

    def diverges_once(job: object, *rest: object, advance: object, **named: object) -> object:
        if job.formula == "l1":  # type: ignore[attr-defined]
            advance(2, note="loss nan")  # type: ignore[operator]
            raise NonFiniteError("l1 is not finite at step 1")
        return train(job, *rest, advance=advance, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("chromalab.studies.runs.train", diverges_once)
    study = open_study(config, tmp_path / "study", RUNTIME)
    with pytest.raises(NonFiniteError, match=r"l1-lab-s0: l1 is not finite at step 1 \(1 of 2 trainings diverged\)"):
        run_study(study, RUNTIME)
    assert "training: 12/12 crops" in capsys.readouterr().err
    assert FailedRun.load(study.folder.run("l1-lab-s0") / FAILED_FILE).reason == "l1 is not finite at step 1"
    assert study.folder.finished("l2-lab-s0") is not None
    monkeypatch.setattr("chromalab.studies.runs.train", train)
    assert len(run_study(study, RUNTIME)) == 2
    assert not (study.folder.run("l1-lab-s0") / FAILED_FILE).exists()

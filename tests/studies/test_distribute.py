"""A run that was done elsewhere is the run that would have been done here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from chromalab.core.errors import UsageError
from chromalab.studies.config import StudyConfig
from chromalab.studies.distribute import RunTask, absolute_paths, execute_task
from chromalab.studies.opening import open_study
from chromalab.studies.runs import run_study
from chromalab.studies.study import StudyFolder
from chromalab.training.settings import RuntimeSettings
from tests.studies.test_photos import folder

RUNTIME = RuntimeSettings(threads=1, tensorboard=False)
CONFIG = StudyConfig.parse(
    {
        "name": "tiny", "title": "Tiny", "objectives": {"l2": "l2"}, "seeds": [0], "pictured": 2,
        "training": {"crop_px": 32, "batch_size": 2, "pictures": 4},
    },
    origin="test",
)  # fmt: skip


@pytest.mark.slow
def test_a_node_without_the_folder_sends_the_files_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_CACHE", str(tmp_path / "cache"))
    here = open_study(CONFIG, tmp_path / "here", RUNTIME)
    run_study(here, RUNTIME)
    task = RunTask(absolute_paths(CONFIG), here.record.config_sha256, tmp_path / "unseen", "l2-lab-s0", RUNTIME)
    files = execute_task(task)
    assert list(files)[-1] == "runs/l2-lab-s0/record.json"
    kept = StudyFolder(tmp_path / "here").run("l2-lab-s0")
    for name in ("model.safetensors", "metrics.csv", "train.csv"):
        assert files[f"runs/l2-lab-s0/{name}"] == (kept / name).read_bytes()
    assert len([name for name in files if name.startswith("pictures/l2-lab-s0/")]) == 2
    assert not (tmp_path / "unseen").exists()
    assert not any(path.is_file() for path in (tmp_path / "cache" / "runs").rglob("*"))

    # The node's record names the sender's plan, which was frozen at another time.
    plan = {"contrasts": [["l2", "l1"]], "margins": {"psnr": 0.3}}
    objectives = {"l1": "l1", "l2": "l2"}
    changed = {**CONFIG.model_dump(mode="json"), "objectives": objectives, "metrics": ["psnr"], "plan": plan}
    planned = StudyConfig.parse(changed, origin="test")
    here = open_study(planned, tmp_path / "planned", RUNTIME)
    assert here.plan is not None
    before = here.plan.model_copy(update={"frozen": "2026-01-01T00:00:00Z"})
    before = before.model_copy(update={"sha256": before.content_sha256})
    task = replace(task, config=absolute_paths(planned), study_sha256=here.record.config_sha256, plan=before)
    record = json.loads(execute_task(task)["runs/l2-lab-s0/record.json"])
    assert record["plan_sha256"] == before.sha256

    task = replace(task, plan=None)
    with pytest.raises(UsageError, match=r"has chromalab .*, the sender 0\.0: install the same everywhere"):
        execute_task(replace(task, version="0.0"))
    with pytest.raises(UsageError, match="has other photos or initial weights than the sender"):
        execute_task(replace(task, study_sha256="0" * 64))


def test_paths_mean_the_same_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "photos", 1)
    (tmp_path / "samples").mkdir()
    (tmp_path / "out.txt").write_text("0.png\n")
    monkeypatch.chdir(tmp_path)
    data = {"source": "photos", "test": ["samples"], "exclude": ["@out.txt", "5*.png"], "prior": "out.txt"}
    config = StudyConfig.parse({**CONFIG.model_dump(mode="json"), "data": data}, origin="test")
    found = absolute_paths(config).data
    assert found.source == str(tmp_path / "photos")
    assert found.test == ["samples"], "the built-in photos, whatever lies here"
    assert found.exclude == [f"@{tmp_path / 'out.txt'}", "5*.png"]
    assert found.prior == str(tmp_path / "out.txt")

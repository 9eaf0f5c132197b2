from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import chromalab.studies
from chromalab.core.errors import ConfigError, UsageError
from chromalab.studies.config import StudyConfig
from chromalab.studies.opening import open_study
from chromalab.studies.plan import PLAN_FILE, PlanRecord, PlanSettings, check_plan, freeze_plan, make_plan, read_plan
from chromalab.studies.records import RECORDS, CheckpointRecord
from chromalab.studies.study import StudyFolder
from chromalab.training.settings import RuntimeSettings
from tests.studies.synthetic import Plan, study_record

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = PlanSettings(
    questions=["Does it matter?"],
    contrasts=[("l1", "l2")],
    margins={"psnr": 0.3, "chroma": "10%"},
    stopping="All seeds.",
)
RUNTIME = RuntimeSettings(device="cpu", threads=1, tensorboard=False)


def frozen(**changes: object) -> PlanRecord:
    return make_plan(SETTINGS.model_copy(update=changes), study_record(Plan()), ["a", "b"])


def edit(folder: Path, before: str, after: str) -> None:
    path = folder / PLAN_FILE
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def test_a_frozen_plan_is_read_back_with_its_hash(tmp_path: Path) -> None:
    plan = freeze_plan(frozen(), tmp_path, [])
    assert read_plan(tmp_path) == plan == check_plan(tmp_path, [plan.sha256, plan.sha256])
    assert plan.sha256 == plan.content_sha256
    assert plan.family_size == 2
    assert (plan.seeds, plan.n_test) == ([0, 1, 2, 3, 4], 40)


def test_the_same_plan_is_frozen_once(tmp_path: Path) -> None:
    first = freeze_plan(frozen(), tmp_path, [])
    later = frozen().model_copy(update={"frozen": "2100-01-01T00:00:00Z"})
    assert freeze_plan(later, tmp_path, [first.sha256]) == first


def test_a_plan_may_change_until_something_is_scored(tmp_path: Path) -> None:
    first = freeze_plan(frozen(), tmp_path, [])
    second = freeze_plan(frozen(margins={"psnr": 0.5}), tmp_path, [])
    assert read_plan(tmp_path) == second != first
    with pytest.raises(UsageError, match="its plan cannot change any more"):
        freeze_plan(frozen(margins={"psnr": 1.0}), tmp_path, [second.sha256])


def test_a_plan_after_the_first_score_comes_too_late(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="test scores of 3 networks exist already, so a plan that is frozen now would"):
        freeze_plan(frozen(), tmp_path, [None] * 3)
    assert read_plan(tmp_path) is None


def test_an_edited_plan_is_refused(tmp_path: Path) -> None:
    plan = freeze_plan(frozen(), tmp_path, [])
    edit(tmp_path, "psnr: 0.3", "psnr: 0.1")
    with pytest.raises(UsageError, match=r"plan\.yaml: the plan was edited after it was frozen; restore"):
        check_plan(tmp_path, [plan.sha256])


def test_a_plan_with_a_forged_hash_is_refused_by_the_runs(tmp_path: Path) -> None:
    plan = freeze_plan(frozen(), tmp_path, [])
    forged = frozen(margins={"psnr": 0.1})
    edit(tmp_path, "psnr: 0.3", "psnr: 0.1")
    edit(tmp_path, "  chroma: 10%\n", "")
    edit(tmp_path, plan.sha256, forged.model_copy(update={"frozen": plan.frozen}).content_sha256)
    assert read_plan(tmp_path) is not None
    with pytest.raises(UsageError, match="replaced after runs were scored under another one"):
        check_plan(tmp_path, [plan.sha256])


def test_a_missing_plan_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the plan is gone under which runs were scored"):
        check_plan(tmp_path, ["abc"])
    assert check_plan(tmp_path, [None]) is None


def test_a_contrast_needs_objectives_of_the_study() -> None:
    with pytest.raises(ConfigError, match="no objective 'huber', only l1, l2"):
        frozen(contrasts=[("l1", "huber")])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contrasts": [["l1", "l1"]]}, "compared with itself"),
        ({"contrasts": [["l1", "l2"], ["l2", "l1"]]}, "stands there twice"),
        ({"margins": {"psnr": -1}}, "greater than 0"),
        ({"margins": {"psnr": "ten"}}, "psnr"),
    ],
)
def test_unusable_plans_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PlanSettings.parse(SETTINGS.model_dump() | changes, origin="here")


def test_scores_of_intermediate_checkpoints_come_before_a_later_plan(tmp_path: Path) -> None:
    study = study_record(Plan())
    first = freeze_plan(frozen(), tmp_path, [])
    look = CheckpointRecord(share=0.25, step=5, pictures=80, plan_sha256=first.sha256)
    look.save(StudyFolder(tmp_path).checkpoint("l1-lab-s0", 80) / "record.json")
    hashes = StudyFolder(tmp_path).plan_hashes(study)
    assert hashes == [first.sha256]
    with pytest.raises(UsageError, match="test scores of 1 network exist already, so its plan cannot change"):
        freeze_plan(frozen(margins={"psnr": 3.0}), tmp_path, hashes)


def test_a_packed_study_takes_no_plan_and_no_runs(tmp_path: Path) -> None:
    config = StudyConfig.parse({"name": "a", "title": "A", "objectives": {"l1": "l1"}}, origin="here")
    (tmp_path / RECORDS).write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"holds a packed study \(records\.json\).* choose another --out"):
        freeze_plan(frozen(), tmp_path, [])
    with pytest.raises(UsageError, match="takes no plan and no runs"):
        open_study(config, tmp_path, RUNTIME)
    assert [path.name for path in tmp_path.iterdir()] == [RECORDS]


@pytest.mark.slow
def test_a_study_freezes_its_plan_before_the_first_run_and_refuses_a_changed_one(tmp_path: Path) -> None:
    settings = {
        "name": "tiny",
        "title": "A tiny study",
        "objectives": {"l1": "l1", "l2": "l2"},
        "seeds": [0],
        "training": {"crop_px": 32, "batch_size": 2, "pictures": 4},
        "looks": [0.5],
        "plan": {"contrasts": [["l1", "l2"]], "margins": {"psnr": 0.3}, "questions": ["Does it matter?"]},
    }
    config = StudyConfig.parse(settings, origin="here")
    analysis = chromalab.studies.run(config, tmp_path, runtime=RUNTIME)
    plan = check_plan(tmp_path, [])
    assert plan is not None
    records = [StudyFolder(tmp_path).finished(f"{name}-lab-s0") for name in ("l1", "l2")]
    assert [record.plan_sha256 for record in records if record] == [plan.sha256] * 2
    (look,) = (tmp_path / "runs" / "l1-lab-s0" / "looks").glob("*/record.json")
    assert CheckpointRecord.load(look).plan_sha256 == plan.sha256
    assert (analysis.plan.sha256, analysis.plan.change, analysis.plan.unplanned_runs) == (plan.sha256, None, [])
    assert "ssim" in analysis.plan.added
    (row,) = analysis.primary
    assert (row.first, row.second, row.metric, row.finding) == ("l1", "l2", "psnr", "open")
    assert row.reason == "too few seeds or photos"

    edit(tmp_path, "psnr: 0.3", "psnr: 3.0")
    with pytest.raises(UsageError, match="edited after it was frozen"):
        chromalab.studies.run(config, tmp_path, runtime=RUNTIME)


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        ({"psrn": 0.3}, "unknown metric 'psrn'; did you mean 'psnr'"),
        ({"frechet_lite0": 1.0}, "margins: frechet_lite0 has one value for all photos, so nothing can be tested"),
        (
            {"psnr": "10%"},
            "margins: psnr of the ground truth is no scale for a margin of 10%; give .* unit, dB",
        ),
    ],
)
def test_a_plan_that_cannot_be_tested_is_refused(margins: dict[str, float | str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        frozen(margins=margins)

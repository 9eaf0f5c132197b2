from __future__ import annotations

from dataclasses import replace

import pytest

from chromalab.stats.significance import holm
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.analysis.differences import measure
from chromalab.studies.analysis.primary import CHAPTER_PLAN, default_plan, finding_of, primary_rows
from chromalab.studies.load import LoadedRun, LoadedStudy
from chromalab.studies.plan import PlanRecord, PlanSettings, make_plan
from chromalab.studies.records import Finding, PrimaryRow
from tests.studies.synthetic import FACTS, OBJECTIVES, Plan, make_study, without_runs

CONTRASTS = PlanSettings(contrasts=[("l1", "l2"), ("perceptual", "l2")], margins={"psnr": 1.0, "chroma": "10%"})


def planned(study: LoadedStudy, settings: PlanSettings = CONTRASTS) -> tuple[LoadedStudy, PlanRecord]:
    """Return the study as if all its runs had been scored under a plan."""
    plan = make_plan(settings, study.record, ["a"])
    runs = {
        name: LoadedRun(run.record.model_copy(update={"plan_sha256": plan.sha256}), run.photos)
        for name, run in study.runs.items()
    }
    return replace(study, runs=runs, plan=plan), plan


def rows_of(study: LoadedStudy) -> dict[tuple[str, str], PrimaryRow]:
    return {(row.first, row.metric): row for row in analyze(study, FACTS).primary}


def test_findings_tell_large_small_and_no_differences_apart() -> None:
    effects = {"l1": {"psnr": 5.0}, "perceptual": {"psnr": 0.4, "chroma": 0.0}}
    study, _ = planned(make_study(Plan(effects=effects, seed_sd=0.05, noise_sd=0.2, n_seeds=8)))
    rows = rows_of(study)
    assert len(rows) == 4
    assert rows["l1", "psnr"].finding == "differs by more than matters"
    assert rows["perceptual", "psnr"].finding == "differs by less than matters"
    assert rows["perceptual", "chroma"].finding == "practically equal"
    # The ground truth of the synthetic study has a mean chroma of 40.
    assert rows["l1", "chroma"].margin == pytest.approx(4.0, rel=1e-3)
    assert rows["l1", "psnr"].pooled == list(OBJECTIVES)


def test_noise_leaves_everything_open() -> None:
    study, _ = planned(
        make_study(Plan(seed_sd=3.0, n_seeds=3)), CONTRASTS.model_copy(update={"margins": {"psnr": 0.1}})
    )
    assert {row.finding for row in rows_of(study).values()} == {"open"}


def test_holm_corrects_over_the_whole_family_and_missing_tests_count() -> None:
    study, _ = planned(make_study(Plan(effects={"l1": {"psnr": 0.4}})))
    rows = list(rows_of(study).values())
    assert [row.p_holm for row in rows] == pytest.approx(holm([row.p or 0.0 for row in rows]).tolist())

    absent, _ = planned(
        make_study(Plan(effects={"l1": {"psnr": 0.4}}, objectives=("l1", "l2"))),
        CONTRASTS.model_copy(update={"contrasts": [("l1", "l2")], "margins": {"psnr": 1.0, "hyab": 1.0, "flip": 1.0}}),
    )
    found = rows_of(absent)
    row = found["l1", "psnr"]
    assert found["l1", "hyab"].reason == "no finished run has this metric"
    assert row.p is not None
    assert row.p_holm == pytest.approx(min(1.0, 3 * row.p))


def test_a_contrast_uses_the_seeds_that_both_objectives_have() -> None:
    study, _ = planned(make_study(Plan(n_seeds=5)))
    partial = without_runs(study, "perceptual-lab-s3", "perceptual-lab-s4", "wgan_l2-lab-s0")
    rows = rows_of(replace(partial, plan=study.plan))
    assert (rows["l1", "psnr"].n_seeds, rows["perceptual", "psnr"].n_seeds) == (5, 3)
    assert rows["l1", "psnr"].pooled == ["l1", "l2", "wgan_perceptual"]
    assert "wgan_l2" not in rows["perceptual", "psnr"].pooled


def test_too_few_seeds_give_numbers_but_no_finding() -> None:
    study, _ = planned(make_study(Plan(n_seeds=2, effects={"l1": {"psnr": 50.0}})))
    row = rows_of(study)["l1", "psnr"]
    assert row.mean == pytest.approx(50, abs=2)
    assert (row.finding, row.p_holm, row.reason) == ("open", None, "too few seeds or photos")


def test_a_study_without_plan_gets_the_chapters_contrasts_as_exploratory() -> None:
    analysis = analyze(make_study(Plan()), FACTS)
    assert analysis.plan.frozen is None
    assert {(row.first, row.second) for row in analysis.primary} == set(CHAPTER_PLAN.contrasts)
    assert {row.metric for row in analysis.primary} == {"psnr", "ssim", "lpips_alex", "chroma"}


def test_objectives_outside_the_chapter_are_compared_with_l2_or_with_the_first() -> None:
    found = default_plan(["l1", "l2", "mine"], ["psnr", "mae"])
    assert found is not None
    assert (found.contrasts, found.margins) == ([("l1", "l2"), ("mine", "l2")], {"psnr": 0.3})
    other = default_plan(["huber", "mine"], ["psnr"])
    assert other is not None
    assert other.contrasts == [("mine", "huber")]
    assert default_plan(["l2"], ["psnr"]) is None
    assert default_plan(["l1", "l2"], ["mae"]) is None


@pytest.mark.slow
def test_the_status_of_a_plan_names_what_was_added_and_what_went_wrong() -> None:
    study, plan = planned(make_study(Plan()))
    status = analyze(study, FACTS).plan
    assert (status.change, status.unplanned_runs, status.seeds) == (None, [], 5)
    beyond = {"mae", "ssim", "lpips_squeeze", "lpips_alex", "colorfulness", "frechet_lite0"}
    assert set(status.added) == beyond | {"wgan_l2", "wgan_perceptual"}
    edited = plan.model_copy(update={"margins": {"psnr": 0.1}})
    assert analyze(replace(study, plan=edited), FACTS).plan.change == "the plan was edited after it was frozen"
    first = next(iter(study.runs))
    runs = {**study.runs, first: make_study(Plan()).runs[first]}
    assert analyze(replace(study, runs=runs), FACTS).plan.unplanned_runs == [first]


@pytest.mark.parametrize(
    ("p", "p_equivalence", "p_beyond", "finding"),
    [
        (0.01, 1.0, 0.01, "differs by more than matters"),
        (0.01, 0.01, 1.0, "differs by less than matters"),
        (0.01, 0.5, 0.5, "differs"),
        (0.5, 0.01, 1.0, "practically equal"),
        (0.5, 0.5, 0.5, "open"),
        (None, None, None, "open"),
    ],
)
def test_findings_follow_from_the_corrected_p_values(
    p: float | None, p_equivalence: float | None, p_beyond: float | None, finding: Finding
) -> None:
    row = PrimaryRow(
        metric="psnr",
        color_space="lab",
        first="l1",
        second="l2",
        p_holm=p,
        p_equivalence_holm=p_equivalence,
        p_beyond_holm=p_beyond,
    )
    assert finding_of(row) == finding


@pytest.mark.slow
def test_findings_of_equal_objectives_are_rarely_wrong() -> None:
    facts = [each for each in FACTS if each.name in CONTRASTS.margins]
    wrong = 0
    for seed in range(200):
        study = make_study(Plan(n_seeds=4, n_photos=30, seed_sd=0.3, facts=facts), seed)
        rows = primary_rows({each.name: measure(study, each, "lab") for each in facts}, CONTRASTS)
        wrong += any("differs" in row.finding for row in rows)
    assert wrong <= 18, "the family's error rate is 5%: more than 18 of 200 have a chance of .005"

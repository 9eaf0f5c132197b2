"""The first screen of a study's report for every state of the evidence."""

from __future__ import annotations

from typing import Any

import pytest

from chromalab.report.figures.primary import alt_text, draw_primary
from chromalab.report.study.answer import answer
from chromalab.studies.records import Analysis, MetricFacts, PlanStatus, PrimaryRow
from tests.report.synthetic_study import SyntheticStudy, study_record

STUDY = study_record(SyntheticStudy())
FACTS = [
    MetricFacts(name="psnr", label="PSNR", unit="dB", direction="higher", per_photo=True, role="fidelity"),
    MetricFacts(name="lpips_alex", label="LPIPS-Alex", direction="lower", per_photo=True, role="perceptual"),
    MetricFacts(name="chroma", label="Mean chroma", direction="closer", per_photo=True, role="color"),
]
PLAN = PlanStatus(frozen="2026-11-29T10:00:00Z", sha256="a", questions=["Does it matter?"], seeds=8)


def row(finding: str = "open", **changes: Any) -> PrimaryRow:
    values: dict[str, Any] = {
        "metric": "psnr", "color_space": "lab", "first": "l1", "second": "l2", "mean": 1.0, "ci_low": 0.8,
        "ci_high": 1.2, "margin": 0.3, "p": 0.01, "p_holm": 0.01, "finding": finding, "n_photos": 100, "n_seeds": 8,
    }  # fmt: skip
    return PrimaryRow.model_validate(values | changes)


def analysis(*rows: PrimaryRow, **changes: Any) -> Analysis:
    values: dict[str, Any] = {
        "study": "s", "n_photos": 100, "seeds": list(range(8)), "objectives": ["l1", "l2"], "color_spaces": ["lab"],
        "metrics": FACTS, "summary": [], "differences": [], "claims": [], "primary": list(rows), "plan": PLAN,
    }  # fmt: skip
    return Analysis.model_validate(values | changes)


@pytest.mark.parametrize(
    ("rows", "tone", "text"),
    [
        ([], "open", "This study compares nothing that answers it."),
        ([row(mean=None, p_holm=None, n_seeds=0)], "open", "Not known yet."),
        ([row(p_holm=None, n_seeds=2, reason="too few seeds or photos")], "open", "Not known yet."),
        (
            [row("differs by more than matters"), row("open")],
            "yes",
            "Yes: l1 scores better than l2 on PSNR, by more than the margin.",
        ),
        ([row("practically equal"), row("differs by less than matters")], "no", "No: every difference is too small"),
        ([row("practically equal"), row("open")], "open", "Undecided: no difference that matters was found"),
        # A test that lacks its numbers rules nothing out.
        ([row("practically equal"), row(p_holm=None, mean=None, n_seeds=0)], "open", "Undecided"),
        (
            [row("differs"), row("practically equal")],
            "open",
            "There is a difference, but this study cannot yet show that it is large enough to matter",
        ),
    ],
)
def test_the_answer_follows_the_primary_comparisons(rows: list[PrimaryRow], tone: str, text: str) -> None:
    found = answer(analysis(*rows), STUDY, [])
    assert found.tone == tone
    assert found.answer.startswith(text)


def test_the_better_objective_depends_on_the_direction_of_the_metric() -> None:
    large = "differs by more than matters"
    lower = row(large, metric="lpips_alex", mean=-0.05, ci_low=-0.06, ci_high=-0.04, margin=0.01)
    assert "l1 scores better than l2 on LPIPS-Alex" in answer(analysis(lower), STUDY, []).answer
    higher = row(large, mean=-1.0, ci_low=-1.2, ci_high=-0.8)
    assert "l2 scores better than l1 on PSNR" in answer(analysis(higher), STUDY, []).answer
    chroma = row(large, metric="chroma")
    assert "l1 has a higher mean chroma than l2" in answer(analysis(chroma), STUDY, []).answer


def test_the_clearest_comparison_is_named_with_its_size_and_margin() -> None:
    large = "differs by more than matters"
    wide = row(large, mean=3.0, ci_low=0.4, ci_high=5.6, first="wgan_l2")
    found = answer(analysis(wide, row(large)), STUDY, [])
    assert "l1 scores better" in found.answer
    assert found.detail == (
        "The difference on PSNR is 1.00 dB (95% interval [0.80, 1.20]). Up to 0.30 dB would not matter."
    )


def test_an_unconfirmed_interval_beyond_the_margin_is_explained_beside_the_opposite_difference() -> None:
    opposite = row("differs", metric="lpips_alex", mean=0.03, ci_low=0.005, ci_high=0.055, margin=0.01)
    detail = answer(analysis(row("differs"), opposite, row("open")), STUDY, []).detail
    assert detail == (
        "The difference on PSNR is 1.00 dB (95% interval [0.80, 1.20]). Up to 0.30 dB would not matter. The interval "
        "alone lies above the margin, but the test with Holm's correction for 3 comparisons does not confirm it. In "
        "the other direction, l2 scores better than l1 on LPIPS-Alex (0.030 [0.005, 0.055], margin 0.010)."
    )
    other_pair = opposite.model_copy(update={"second": "lpips"})
    assert "other direction" not in answer(analysis(row("differs"), other_pair), STUDY, []).detail
    within = row("differs", ci_low=0.1)
    assert "does not confirm" not in answer(analysis(within), STUDY, []).detail


def test_the_counts_add_up() -> None:
    rows = [
        row("differs by more than matters"),
        row("differs"),
        row("practically equal"),
        row("open"),
        row(p_holm=None),
    ]
    assert answer(analysis(*rows), STUDY, []).reason == (
        "Of 5 comparisons, 1 show a difference that matters, 1 show a difference of undecided size, 1 show that the "
        "objectives are practically equal and 2 are undecided."
    )


def test_the_status_tells_planned_from_exploratory_and_counts_seeds() -> None:
    planned = answer(analysis(row(n_seeds=3)), STUDY, [])
    assert planned.question == "Does it matter?"
    assert planned.status == (
        "The comparisons and margins were frozen on 2026-11-29, before the first test score. "
        "3 of 8 planned seeds finished."
    )
    partial = answer(analysis(row(n_seeds=3), row(n_seeds=2)), STUDY, []).status
    assert partial.endswith("Every comparison has at least 2 of 8 planned seeds, and some have 3.")
    begun = answer(analysis(row(n_seeds=1, p_holm=None), row(n_seeds=0, p_holm=None)), STUDY, [])
    assert begun.status.endswith("Some comparisons have 1 of 8 planned seeds, others none yet.")
    assert begun.reason.startswith("It has 1 of 8 planned seeds and ")
    unplanned = answer(analysis(row(), plan=PlanStatus(seeds=8)), STUDY, [])
    assert unplanned.status.startswith(
        "No plan was frozen before the runs, so these comparisons are not confirmatory. "
    )
    assert unplanned.warning is None


def test_a_finished_study_without_comparisons_is_told_from_one_that_has_not_begun() -> None:
    no_plan = PlanStatus(seeds=2)
    finished = answer(analysis(plan=no_plan, seeds=[0, 1]), STUDY, [])
    assert finished.reason.startswith("None of its comparisons has a margin. A study states contrasts and margins")
    assert finished.status == "4 of 4 planned runs finished."
    missing = ["l1-lab-s0", "l1-lab-s1", "l2-lab-s0", "l2-lab-s1"]
    begun = answer(analysis(plan=no_plan, seeds=[0, 1], missing_runs=missing), STUDY, [])
    small = answer(analysis(row(p_holm=None, n_seeds=2), seeds=[0, 1]), STUDY, [])
    assert small.answer == "This study is too small to answer."
    assert (begun.answer, begun.status) == ("Not known yet.", "0 of 4 planned runs finished.")
    assert begun.reason.startswith("No two objectives have finished on the same seed.")
    alone = answer(analysis(plan=no_plan, seeds=[0], objectives=["l1"]), STUDY, [])
    assert (alone.reason, alone.status) == (
        "It has one objective, and an answer needs two.",
        "1 of 1 planned run finished.",
    )


def test_a_broken_plan_is_the_first_thing_said() -> None:
    broken = PLAN.model_copy(update={"change": "the plan was edited after it was frozen"})
    warning = answer(analysis(row(), plan=broken), STUDY, []).warning
    assert warning == (
        "The plan does not hold: the plan was edited after it was frozen. Read all results as exploratory."
    )
    late = PLAN.model_copy(update={"unplanned_runs": ["l1-lab-s0"]})
    assert "1 run, among them l1-lab-s0, had no plan" in (answer(analysis(row(), plan=late), STUDY, []).warning or "")
    for plan in (broken, late):
        assert answer(analysis(row(), plan=plan), STUDY, []).status == (
            "The comparisons and margins were frozen on 2026-11-29. 8 of 8 planned seeds finished."
        )


def test_limits_name_what_is_missing_and_what_was_added() -> None:
    added = PLAN.model_copy(update={"added": ["mae"]})
    limits = answer(analysis(row(), missing_runs=["l1-lab-s7"], plan=added), STUDY, []).limits
    assert any("metrics are not a substitute for human judgment" in limit for limit in limits)
    assert any("exploratory" in limit for limit in limits)
    assert "1 planned run had not finished when this was written." in limits
    failed = analysis(row(), missing_runs=["l1-lab-s7"], failed_runs={"l1-lab-s7": "l1 is not finite"})
    assert answer(failed, STUDY, []).limits[-1] == "1 training diverged and gave no result, for example l1-lab-s7."


def test_the_limits_explain_why_large_differences_of_unstable_runs_are_undecided() -> None:
    wide = row(n_seeds=3, mean=5.0, ci_low=-3.0, ci_high=13.0, pooled=["l2", "lpips"])
    unstable = "The runs of l1 differ so much between seeds that even its large differences stay undecided"
    assert any(limit.startswith(unstable) for limit in answer(analysis(wide), STUDY, []).limits)
    for changes in ({"n_seeds": 8}, {"pooled": ["l1", "l2"]}, {"mean": 0.2}, {"finding": "differs"}):
        limits = answer(analysis(wide.model_copy(update=changes)), STUDY, []).limits
        assert not any(limit.startswith("The runs of") for limit in limits)


@pytest.mark.slow
def test_the_figure_has_a_line_for_each_comparison_and_its_words() -> None:
    rows = [
        row("differs by more than matters"),
        row("practically equal", metric="lpips_alex", mean=0.0, ci_low=-0.001, ci_high=0.001, margin=0.01),
        row("open", metric="chroma", mean=30.0, ci_low=-5.0, ci_high=65.0, margin=2.0),
        row(mean=None, margin=None),
    ]
    drawing = draw_primary(rows, FACTS, "lab")
    assert drawing is not None
    for text in (
        "PSNR",
        "LPIPS-Alex",
        "Mean chroma",
        "+1.00 dB",
        "practically equal",
        "undecided",
        "within the margin",
        "right = more, not better",
    ):
        assert text in drawing.svg
    assert drawing.alt == (
        "3 primary comparisons, training space Lab: 1 differs by more than matters, 1 practically equal, 1 undecided."
    )
    assert draw_primary([row(mean=None)], FACTS, "lab") is None
    assert "0 primary" in alt_text([], "lab")

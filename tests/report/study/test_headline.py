"""The headline of a study for every state of the evidence."""

from __future__ import annotations

from typing import Any

import pytest

from chromalab.report.study.headline import headline
from chromalab.studies.records import Analysis, ClaimRow, DifferenceRow, MetricFacts, StudyRecord, Verdict
from tests.report.synthetic_study import SyntheticStudy, study_record

STUDY: StudyRecord = study_record(SyntheticStudy())
YES, NO = "Yes: ", "No: every difference is significantly smaller than 10\N{NO-BREAK SPACE}% of the span."


def row(**changes: Any) -> DifferenceRow:
    values: dict[str, Any] = {
        "metric": "mae", "color_space": "lab", "first": "l1", "second": "perceptual", "mean": 0.3, "ci_low": 0.2,
        "ci_high": 0.4, "p": 0.5, "p_holm": 0.5, "winner": None, "equivalent": "undecided", "span": 1.0, "seed_sd": 0.1,
        "detectable": 0.25, "n_photos": 12, "n_seeds": 3,
    }  # fmt: skip
    return DifferenceRow(**(values | changes))


def analysis(rows: list[DifferenceRow], verdict: Verdict | None = None, missing: list[str] | None = None) -> Analysis:
    claims = [] if verdict is None else [
        ClaimRow(id="equivalence", claim="c", color_space="lab", verdict=verdict, summary="s", how_far="h")
    ]  # fmt: skip
    metrics = [
        MetricFacts(name=name, label=name.upper(), direction="lower", per_photo=True, role="fidelity")
        for name in ("mae", "lpips_squeeze")
    ]
    return Analysis(
        study="s", n_photos=12, seeds=[0, 1, 2], objectives=["l1", "perceptual"], color_spaces=["lab"], metrics=metrics,
        summary=[], differences=rows, claims=claims, missing_runs=missing or [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "verdict", "answer"),
    [
        ([], None, "Not known yet."),
        ([row(mean=None)], "not tested", "Not known yet."),
        ([row(n_seeds=2, winner="l1")], "undecided", "This study is too small to answer."),
        ([row(n_photos=9, winner="l1")], "undecided", "This study is too small to answer."),
        ([row(winner="perceptual")], "contradicted", YES),
        ([row(winner="perceptual", equivalent="contradicted")], None, YES),
        ([row(winner="perceptual")], "undecided", "Some objectives differ, but by how much is undecided."),
        (
            [row(equivalent="supported")],
            "supported",
            NO,
        ),
        (
            [row(equivalent="supported")],
            None,
            NO,
        ),
        ([row()], "undecided", "Undecided: the data show neither a difference nor its absence."),
        (
            [row(winner="perceptual", metric="lpips_squeeze")],
            "contradicted",
            "Only on metrics that share a network",
        ),
        ([row(winner="l1", metric="lpips_squeeze")], "contradicted", YES),
    ],
)
def test_the_answer_follows_the_evidence(rows: list[DifferenceRow], verdict: Verdict | None, answer: str) -> None:
    assert headline(analysis(rows, verdict), STUDY, []).answer.startswith(answer)


def test_the_answer_states_the_largest_difference_with_its_interval() -> None:
    rows = [row(winner="perceptual"), row(winner="l1", metric="lpips_squeeze", mean=-0.2)]
    answer = headline(analysis(rows, "contradicted"), STUDY, []).answer.replace("\N{NO-BREAK SPACE}", " ")
    assert "perceptual scores better than l1 on MAE by 30 % of the span" in answer
    assert "(95 % interval 20 to 40 %)" in answer
    assert "3.0 times the standard deviation between seeds" in answer


def test_an_undecided_study_states_the_difference_it_could_have_missed() -> None:
    reasons = " ".join(headline(analysis([row()], "undecided"), STUDY, []).reasons)
    assert "could have missed a difference of 25\N{NO-BREAK SPACE}% of the span on MAE." in reasons


def test_missing_runs_are_among_the_limits() -> None:
    limits = headline(analysis([row()], "undecided", missing=["l1-lab-s2"]), STUDY, []).limits
    assert any("1 planned run had not finished" in limit for limit in limits)


def test_a_claim_with_equal_verdicts_in_all_spaces_is_listed_once() -> None:
    claims = [
        ClaimRow(id=name, claim="c", color_space=space, verdict=verdict, summary="s", how_far="h")
        for name, space, verdict in [
            ("C1", "lab", "supported"), ("C1", "yuv", "supported"), ("C2", "lab", "undecided"),
            ("C2", "yuv", "supported"), ("C3", "-", "not tested"),
        ]
    ]  # fmt: skip
    two = analysis([row()]).model_copy(update={"claims": claims, "color_spaces": ["lab", "yuv"]})
    sentence = headline(two, STUDY, []).reasons[-1]
    assert sentence == ("Claims from the literature: C3 not tested; C1 and C2 in YUV supported; C2 in Lab undecided.")

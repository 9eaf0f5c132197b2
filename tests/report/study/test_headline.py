"""The headline of a study for every state of the evidence."""

from __future__ import annotations

from typing import Any

import pytest

from chromalab.report.study.headline import headline
from chromalab.studies.records import Analysis, ClaimRow, DifferenceRow, MetricFacts, StudyRecord, Verdict
from tests.report.synthetic_study import SyntheticStudy, study_record

STUDY: StudyRecord = study_record(SyntheticStudy())


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
        ([row(n_seeds=2, winner="l1")], "undecided", "This study is too small to tell."),
        ([row(n_photos=9, winner="l1")], "undecided", "This study is too small to tell."),
        ([row(winner="perceptual")], "contradicted", "Yes, it does."),
        ([row(winner="perceptual", equivalent="contradicted")], None, "Yes, it does."),
        ([row(winner="perceptual")], "undecided", "Metrics tell some objectives apart, by how much is open."),
        ([row(equivalent="supported")], "supported", "No: the objectives are practically the same here."),
        ([row(equivalent="supported")], None, "No: the objectives are practically the same here."),
        ([row()], "undecided", "Not shown: neither a difference nor its absence."),
        ([row(winner="perceptual", metric="lpips_squeeze")], "contradicted", "Only in the eyes of its own judge."),
        ([row(winner="l1", metric="lpips_squeeze")], "contradicted", "Yes, it does."),
    ],
)
def test_answers(rows: list[DifferenceRow], verdict: Verdict | None, answer: str) -> None:
    assert headline(analysis(rows, verdict), STUDY, []).answer == answer


def test_the_largest_difference_is_told_beside_the_span_and_the_seeds() -> None:
    rows = [row(winner="perceptual"), row(winner="l1", metric="lpips_squeeze", mean=-0.2)]
    told = headline(analysis(rows, "contradicted"), STUDY, []).reasons[0].replace("\N{NO-BREAK SPACE}", " ")
    assert "perceptual over l1 under MAE, 30 % of the span" in told
    assert "3.0 times the spread between seeds" in told


def test_what_could_have_been_missed_is_told_where_nothing_was_found() -> None:
    told = " ".join(headline(analysis([row()], "undecided"), STUDY, []).reasons)
    assert "Under MAE a difference of 25\N{NO-BREAK SPACE}% of the span could have been missed." in told


def test_missing_runs_are_among_the_limits() -> None:
    limits = headline(analysis([row()], "undecided", missing=["l1-lab-s2"]), STUDY, []).limits
    assert any("1 planned run had not finished" in limit for limit in limits)


def test_a_claim_is_named_once_where_every_space_agrees() -> None:
    claims = [
        ClaimRow(id=name, claim="c", color_space=space, verdict=verdict, summary="s", how_far="h")
        for name, space, verdict in [
            ("C1", "lab", "supported"), ("C1", "yuv", "supported"), ("C2", "lab", "undecided"),
            ("C2", "yuv", "supported"), ("C3", "-", "not tested"),
        ]
    ]  # fmt: skip
    two = analysis([row()]).model_copy(update={"claims": claims, "color_spaces": ["lab", "yuv"]})
    told = headline(two, STUDY, []).reasons[-1]
    assert told == ("Claims of the literature: C3 not tested; C1 and C2 in YUV supported; C2 in Lab undecided.")

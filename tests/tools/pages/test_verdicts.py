"""Verdict words follow the numbers of the records."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chromalab.metrics.registry import METRICS
from chromalab.studies.analysis.analyze import analyze
from chromalab.weights.colorizers import DEFAULT_MODEL
from tests.studies.synthetic import FACTS, Plan, make_study
from tools import RESULTS
from tools.pages import index, models, verdicts
from tools.pages.index import claim_rows, index_page, overall
from tools.pages.markdown import render
from tools.pages.objective import Checkpoint, beside_gray, difference, learning, pair_row, vividness
from tools.pages.people import UNSEEN, UnseenScenes, people_page, unseen_summary
from tools.pages.pilots import difference as pilot_text
from tools.pages.pilots import milestone_rows
from tools.pages.verdicts import (
    best_throughout,
    by_verdict,
    compare_correlations,
    correlation_strength,
    correlation_verdict,
    counted,
    excludes_zero,
    interval_verdict,
    level_verdict,
    pair_verdict,
    quantity,
    worse_than_gray,
    yes_no,
)

if TYPE_CHECKING:
    from chromalab.studies.records import Analysis, DifferenceRow, Direction

PAIR = ("l1", "l2")


def analysis(**effects: float) -> Analysis:
    """Return the analysis of a synthetic study in which metrics of L2 are shifted."""
    return analyze(make_study(Plan(effects={"l2": effects}, objectives=PAIR)), FACTS)


def row(found: Analysis, metric: str) -> DifferenceRow:
    """Return the comparison of the two objectives."""
    comparison = difference(found, metric, *PAIR)
    assert comparison is not None
    return comparison


@pytest.mark.parametrize(
    ("low", "high", "direction", "verdict"),
    [
        (0.1, 0.3, "higher", "better"),
        (0.1, 0.3, "lower", "worse"),
        (-0.3, -0.1, "higher", "worse"),
        (-0.3, -0.1, "lower", "better"),
        (-0.3, -0.1, "closer", "lower"),
        (0.1, 0.3, "closer", "higher"),
        (-0.1, 0.3, "lower", "no difference found"),
        (0.0, 0.3, "lower", "no difference found"),
    ],
)
def test_the_verdict_follows_the_interval(low: float, high: float, direction: Direction, verdict: str) -> None:
    assert interval_verdict(low, high, direction) == verdict
    assert excludes_zero(low, high) == (verdict != "no difference found")


@pytest.mark.parametrize(("shift", "verdict"), [(5.0, "worse"), (-5.0, "better"), (0.0, "practically equal")])
def test_a_pair_verdict_follows_the_planted_effect(shift: float, verdict: str) -> None:
    comparison = row(analysis(mae=shift), "mae")
    opposite = {"worse": "better", "better": "worse"}.get(verdict, verdict)
    assert pair_verdict(comparison, "l2") == verdict
    assert pair_verdict(comparison, "l1") == opposite


def test_verdicts_of_undecided_and_missing_comparisons() -> None:
    comparison = row(analysis(), "mae").model_copy(update={"winner": None, "equivalent": "undecided"})
    assert pair_verdict(comparison, "l1") == "undecided"
    assert pair_verdict(comparison.model_copy(update={"mean": None}), "l1") == "not measured"
    assert level_verdict(comparison.model_copy(update={"p_holm": None}), "l1") == "not measured"


@pytest.mark.parametrize(("shift", "word"), [(5.0, "higher"), (-5.0, "lower"), (0.0, "undecided")])
def test_the_sentence_on_vividness_flips_with_the_record(shift: float, word: str) -> None:
    assert f"**{word}**" in vividness(analysis(colorfulness=shift), "l2", "l1")


def test_a_metric_is_in_the_column_of_its_verdict() -> None:
    better, worse = (pair_row(analysis(psnr=shift), "l2", "l1") for shift in (5.0, -5.0))
    assert better[0] == worse[0] == "`l2` compared with `l1`"
    assert "PSNR +4.9" in better[1]
    assert "PSNR" not in better[2]
    assert "PSNR -" in worse[2]
    assert "PSNR" not in worse[1]


def test_objectives_worse_than_gray_are_named() -> None:
    assert worse_than_gray(analysis()) == {}
    assert beside_gray(analysis()) == {"count": "None of the 2 objectives", "listed": "none"}
    assert worse_than_gray(analysis(psnr=-15.0)) == {"l2": ["PSNR"]}
    assert beside_gray(analysis(psnr=-15.0)) == {"count": "1 of the 2 objectives", "listed": "`l2` under PSNR"}


def test_changes_of_order_between_checkpoints_are_counted() -> None:
    first, last = Checkpoint(10, analysis(psnr=5.0)), Checkpoint(20, analysis(psnr=-5.0))
    turned = learning((first, last))
    assert "PSNR" in str(turned["changed"])
    assert turned["reversals"] == 1
    still = learning((first, first))
    assert str(still["changed"]).startswith("none of the")
    assert still["reversals"] == 0


def test_words_for_counts_and_groups() -> None:
    assert [quantity(count, 3, "metrics") for count in (0, 1, 3)] == [
        "none of the 3 metrics",
        "1 of the 3 metrics",
        "all 3 metrics",
    ]
    assert counted(["better", "worse", "better"]) == "2 better, 1 worse"
    assert by_verdict({"a": "supported", "b": "undecided", "c": "supported"}) == "supported in a and c; undecided in b"
    assert [correlation_verdict(*ends) for ends in ((0.1, 0.5), (-0.5, -0.1), (-0.1, 0.1), (None, None))] == [
        "correlates with human ratings",
        "correlates negatively with human ratings",
        "no correlation found",
        "not measured",
    ]
    assert (yes_no(True), yes_no(False)) == ("yes", "**no**")
    assert best_throughout({"lab": ["PSNR"], "rgb": []}).startswith("`lab` has")
    assert best_throughout({"lab": ["PSNR"], "rgb": ["SSIM"]}).startswith("No alternative")


def test_words_for_correlations_follow_their_values() -> None:
    words = ["very weak", "weak", "moderate", "strong", "very strong"]
    assert [correlation_strength(value) for value in (0.1, -0.2, 0.5, 0.6, 0.9)] == words
    assert [compare_correlations(value, {"PSNR": 0.5}) for value in (0.6, 0.51, 0.4)] == [
        "better than PSNR (0.500)",
        "about as well as PSNR (0.500)",
        "worse than PSNR (0.500)",
    ]


def test_the_page_on_people_begins_with_the_unseen_scenes() -> None:
    page = people_page()
    assert page.index("0.573") < page.index("0.490") < page.index("| Perceptual color ‡ | 0.65 ")
    unseen = UnseenScenes.load(UNSEEN)
    assert unseen_summary(unseen, None)["comparison"].startswith("better than MS-SSIM (0.538) and LPIPS-Alex (0.490)")
    flipped = unseen.model_copy(update={"srcc": unseen.srcc | {"lpips_alex": 0.7}, "colorizers_highest": 0.1})
    assert unseen_summary(flipped, None)["comparison"].endswith("and worse than LPIPS-Alex (0.700)")
    assert unseen_summary(flipped, None)["colorizers_strength"] == "very weak"


@pytest.mark.parametrize("path", ["docs/people.md", "docs/metrics.md", "CHANGELOG.md"])
def test_texts_quote_the_unseen_scenes_before_any_other_figure(path: str) -> None:
    text = (RESULTS.parent / path).read_text(encoding="utf-8")
    srcc = UnseenScenes.load(UNSEEN).srcc
    first, *others = (srcc[name] for name in ("color_perceptual", "lpips_alex", "perceptual_lite0_tap5"))
    place = text.index(f"{first:.3f}"[1:])
    assert all(place < text.index(f"{other:.3f}"[1:]) for other in others)
    assert place < text.find(" .65 ") or " .65 " not in text


@pytest.mark.parametrize(
    ("by_study", "verdict"),
    [
        (["supported", "supported", "not tested"], "supported"),
        (["undecided", "supported"], "undecided"),
        (["contradicted", "supported"], "undecided"),
        (["not tested"], "not tested"),
    ],
)
def test_studies_that_disagree_leave_a_claim_undecided(by_study: list[str], verdict: str) -> None:
    assert overall(by_study) == verdict


def test_the_index_follows_the_claims_of_its_studies() -> None:
    claims = {name: {row.id: row for row in analysis().claims} for name in index.STUDIES}
    (before,) = [cells for cells in claim_rows(claims) if cells[0] == "equivalence"]
    last = claims["photos96"]["equivalence"]
    flipped = "contradicted" if last.verdict != "contradicted" else "supported"
    claims["photos96"]["equivalence"] = last.model_copy(update={"verdict": flipped})
    (after,) = [cells for cells in claim_rows(claims) if cells[0] == "equivalence"]
    assert f"{flipped} in photos96" in after[-1]
    assert before[-1] != after[-1]
    assert after[2] == "**undecided**"


def test_the_goal_of_the_default_follows_its_record() -> None:
    record = models.quality(DEFAULT_MODEL)
    for rival, metrics in models.GOAL.items():
        for metric in metrics:
            sign = 1 if METRICS[metric].direction == "higher" else -1
            record["model_minus"][rival][metric] = sorted((sign * 2.0, sign * 1.0, sign * 3.0))
            record["model_minus"][rival][metric].insert(0, record["model_minus"][rival][metric].pop(1))
    assert models.goal(record)["beats"] == "yes"
    assert " beside " not in "".join(models.misses(record))
    record["model_minus"]["grey"]["psnr"] = [-2.0, -3.0, -1.0]
    assert models.goal(record)["beats"] == "**no**"
    assert "PSNR beside no color" in models.misses(record)


def test_the_flagship_and_the_pilots_follow_their_records() -> None:
    evaluation = json.loads((RESULTS / "flagship" / "milestone.json").read_text(encoding="utf-8"))["evaluation"]
    for interval, verdict in (([-1, -2, -0.5], "better"), ([1, 0.5, 2], "worse"), ([0, -1, 1], "no difference found")):
        evaluation["differences"]["flagship"]["lpips_alex"] = interval
        assert milestone_rows(evaluation)[-1][-1] == verdict
    pilot = {"pilot": "x", "psnr_difference": "0.1", "psnr_low": "0.05", "psnr_high": "0.2"}
    assert pilot_text(pilot, "psnr", 2) == "**+0.10 [+0.05, +0.20]**"
    assert pilot_text(pilot | {"psnr_low": "-0.05"}, "psnr", 2) == "+0.10 [-0.05, +0.20]"


@pytest.mark.slow
def test_the_index_names_records_and_pages_that_exist() -> None:
    page = index_page()
    rows = [line.split(" | ") for line in page.split("## Claims")[0].splitlines() if "`results/" in line]
    assert len(rows) > 10
    root = Path(__file__).resolve().parents[3]
    for cells in rows:
        assert (root / cells[2].strip("`")).exists(), cells[2]
        assert (root / "docs" / "reference" / cells[3].split("]")[0].strip("[")).exists(), cells[3]


def test_a_template_refuses_a_missing_value() -> None:
    with pytest.raises(Exception, match="'lead' is undefined"):
        render("objectives96.md", seed=0)


def test_the_examples_of_the_functions_run() -> None:
    for module in (verdicts, index):
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0

"""Studies that tempt an analysis into false certainty: unanimous votes, separate groups, fixed sides, partial data."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special

from chromalab.core.errors import ConfigError
from chromalab.survey.analysis.analyze import analyze, analyze_source, design_of_votes, labeled_votes
from chromalab.survey.analysis.page import write_survey_report
from chromalab.survey.analysis.raters import repeat_agreements
from chromalab.survey.analysis.records import SurveyAnalysis
from chromalab.survey.analysis.verdicts import verdicts
from chromalab.survey.plan import AnalysisPlan, Exclusions
from chromalab.survey.votes import VoteRow
from chromalab.survey.votes_csv import votes_text

pytestmark = pytest.mark.slow


def pair_votes(
    people: int, scenes: int, pairs: list[tuple[str, str]], *, lost: int = 0, flip: bool = True
) -> list[VoteRow]:
    """The first method of each pair wins all votes but the last `lost`; sides alternate if `flip`."""
    found = []
    for person in range(people):
        for scene in range(scenes):
            for a, b in pairs:
                swapped = flip and (person + scene) % 2 == 1
                first, second = (b, a) if swapped else (a, b)
                found.append(VoteRow(f"p{person}", "1", f"s{scene}", first, second, not swapped))
    for k in range(len(found) - lost, len(found)):
        found[k] = replace(found[k], is_a_selected=not found[k].is_a_selected)
    return found


def analyzed(votes: list[VoteRow], **plan: object) -> SurveyAnalysis:
    design, methods = design_of_votes(votes, AnalysisPlan.model_validate({"draws": 200, **plan}))
    return analyze(design, methods, votes)


def sentence(found: SurveyAnalysis) -> str:
    return " ".join(verdict.sentence for verdict in verdicts(found))


def test_four_unanimous_votes_name_no_winner() -> None:
    found = analyzed(pair_votes(2, 2, [("a", "b")]))
    row = found.differences[0]
    assert row.p > 0.1
    assert row.low < 0 < row.high
    assert row.winner is None
    assert (
        row.lacking
        == "the data are too few: 2 participants of at least 5, 2 photos of at least 5, 4 votes of at least 10"
    )
    assert found.scores["a"].high - found.scores["a"].low > 5
    assert found.jod["a"].high - found.jod["a"].low > 5
    assert found.order_effect is not None
    assert found.order_effect.high - found.order_effect.low > 5
    assert "no winner is named" in sentence(found)


def test_unanimous_votes_of_many_people_name_a_winner_with_an_honest_interval() -> None:
    found = analyzed(pair_votes(20, 10, [("a", "b")]))
    row = found.differences[0]
    assert row.winner == "a"
    assert 0 < row.low < row.value < row.high
    assert row.high - row.low > 2
    # 200 votes that agree by .1 within 20 people and 10 photos are worth 200 / (1 + 9 * .1 + 19 * .1) = 53 votes. With
    # Student's t on 9 degrees of freedom the likelihood of 53 wins excludes d where 53 log sigma(d) < -t^2 / 2.
    assert row.low == pytest.approx(special.logit(np.exp(-(2.262**2) / 2 / 52.6)), abs=0.4)


@pytest.mark.parametrize("lost", [1, 2])
def test_near_unanimous_votes_keep_a_wide_interval(lost: int) -> None:
    found = analyzed(pair_votes(6, 5, [("a", "b")], lost=lost))
    row = found.differences[0]
    assert row.high - row.low > 3
    assert row.high > special.logit(1 - lost / 30)


def test_votes_more_even_than_chance_have_an_interval() -> None:
    """Every participant and every photo prefers each method equally often, so that no bootstrap over them varies."""
    votes = [
        VoteRow(f"p{p}", "1", f"s{s}", *(("a", "b") if side else ("b", "a")), (p + s) % 2 == side)
        for p in range(6) for s in range(6) for side in (0, 1)
    ]  # fmt: skip
    row = analyzed(votes).differences[0]
    assert row.p > 0.5
    assert row.high - row.low > 0.5
    assert row.winner is None


def test_ties_alone_show_neither_a_winner_nor_equivalence() -> None:
    votes = [replace(row, is_tie=True) for row in pair_votes(8, 6, [("a", "b")])]
    row = analyzed(votes, margin=0.5).differences[0]
    assert row.value == pytest.approx(0, abs=1e-6)
    assert row.high - row.low > 1
    assert row.winner is None
    assert row.equivalent is False


def fooling_votes(people: int, scenes: int, trials: int, fooled: int, name: str = "net") -> list[VoteRow]:
    found = []
    for k in range(trials):
        pair = ("truth", name) if k % 2 else (name, "truth")
        right = k >= fooled
        person, scene = f"{name}{k % people}", f"s{(k // people) % scenes}"
        found.append(VoteRow(person, "1", scene, *pair, (pair[0] == "truth") == right))
    return found


@pytest.mark.parametrize(("fooled", "trials"), [(0, 30), (30, 30), (1, 30), (29, 30)])
def test_rates_near_0_and_1_stay_inside_with_a_width(fooled: int, trials: int) -> None:
    found = analyzed(fooling_votes(6, 10, trials, fooled))
    row, facts = found.scores["net"], found.fooling["net"]
    assert 0 <= row.low <= row.value <= row.high <= 1
    assert row.high - row.low > facts.wilson[1] - facts.wilson[0]
    assert facts.d_prime.high - facts.d_prime.low > 1
    assert facts.criterion.high > facts.criterion.low


def test_two_rates_of_0_and_1_are_told_apart_only_with_enough_people() -> None:
    def row(people: int) -> tuple[str | None, float]:
        votes = fooling_votes(people, 10, 100, 0, "bad") + fooling_votes(people, 10, 100, 100, "good")
        found = analyzed(votes).differences[0]
        assert -1 <= found.low < found.high <= 1
        return found.winner, found.p

    assert row(2)[0] is None
    assert row(2)[1] > 0.05
    assert row(10)[0] == "good"


@pytest.mark.parametrize("value", [1, 3, 5])
def test_equal_ratings_have_an_interval_on_the_scale(value: int) -> None:
    votes = [
        VoteRow(f"p{p}", "1", f"s{s}", name, "", False, rating=value)
        for p in range(6)
        for s in range(5)
        for name in "ab"
    ]
    found = analyzed(votes)
    for row in found.scores.values():
        assert 1 <= row.low <= row.value <= row.high <= 5
        assert row.high - row.low > 0.2
    assert found.differences[0].p == pytest.approx(1)


def test_claims_stay_inside_connected_groups(tmp_path: Path) -> None:
    votes = pair_votes(8, 6, [("a", "b"), ("c", "d")], lost=3)
    found = analyzed(votes)
    assert found.components == [["a", "b"], ["c", "d"]]
    assert [(row.first, row.second) for row in found.differences] == [("a", "b"), ("c", "d")]
    alone = analyzed([row for row in votes if row.condition_a in {"c", "d"}])
    assert found.scores["c"].value == pytest.approx(alone.scores["c"].value, abs=0.05)
    assert found.scores["c"].value + found.scores["d"].value == pytest.approx(0, abs=1e-9)
    assert "every other method" not in sentence(found)
    assert sentence(found).startswith("Among a and b: a ")
    assert found.notes[0].startswith("no vote compares methods of different groups (a and b; c and d)")
    page = write_survey_report(found, tmp_path).read_text()
    assert "Group 2, not comparable with the others" in page


def test_groups_have_maximum_likelihood_estimates_of_their_own() -> None:
    """A method preferred in 3 of 4 votes is log 3 ahead."""
    votes = [
        VoteRow(f"p{k % 5}", "1", f"s{k % 4}", *(pair if k % 2 else pair[::-1]), (k % 4 > 0) == (k % 2 == 1))
        for k in range(40) for pair in (("a", "b"), ("c", "d"))
    ]  # fmt: skip
    found = analyzed(votes, prior_sd=None, order_effect=False)
    assert [row.value for row in found.differences] == pytest.approx([np.log(3)] * 2)


def test_one_vote_between_two_groups_decides_nothing() -> None:
    votes = [*pair_votes(8, 6, [("a", "b"), ("c", "d")], lost=6), VoteRow("p0", "1", "s0", "a", "c", True)]
    found = analyzed(votes)
    assert len(found.components) == 1
    row = next(row for row in found.differences if (row.first, row.second) == ("a", "c"))
    assert row.winner is None
    assert row.lacking == "the data are too few: 1 vote of at least 10"
    assert row.low < 0 < row.high


def test_ratings_without_a_common_photo_are_not_compared() -> None:
    generator = np.random.default_rng(0)
    votes = [
        VoteRow(f"p{p}", "1", f"{name}{s}", name, "", False, rating=int(generator.integers(1, 5)) + (name == "b"))
        for p in range(8) for s in range(6) for name in "ab"
    ]  # fmt: skip
    found = analyzed(votes)
    assert found.differences == []
    assert any("no vote shares a photo between methods of different groups" in note for note in found.notes)


def test_a_method_that_always_stands_first_is_not_separated_from_its_side() -> None:
    generator = np.random.default_rng(1)
    votes = [
        VoteRow(f"p{p}", "1", f"s{s}", "A", "B", bool(generator.random() < 0.8)) for p in range(10) for s in range(6)
    ]
    found = analyzed(votes)
    share = np.mean([row.is_a_selected for row in votes])
    assert found.order_effect is None
    assert any("cannot be separated from preference" in note for note in found.notes)
    assert "this may be an advantage of the left side" in sentence(found)
    row = found.differences[0]
    assert row.value == pytest.approx(special.logit(share), abs=0.1)
    assert row.high - row.low > 1


def test_excluded_and_unfinished_sessions_count_alike_in_report_file_and_scripts(tmp_path: Path) -> None:
    """The scored column gives a script, here a logistic regression by SciPy, the votes and estimates of the report."""
    generator = np.random.default_rng(0)
    votes = []
    for person in range(12):
        for trial in range(20 if person < 11 else 7):
            left, right = generator.choice(["a", "b", "c"], 2, replace=False)
            d = {"a": 0.8, "b": 0.0, "c": -0.8}[left] - {"a": 0.8, "b": 0.0, "c": -0.8}[right] + 0.3
            chosen = True if person == 0 else bool(generator.random() < special.expit(d))
            flags = ("overrun",) if trial == 3 else ()
            votes.append(
                VoteRow(f"p{person}", "1", f"s{trial % 6}", str(left), str(right), chosen, position=trial, flags=flags,
                        response_ms=900.0, finished=person < 11)
            )  # fmt: skip
    design, methods = design_of_votes(votes, AnalysisPlan(draws=200, prior_sd=None))
    rules = Exclusions(side_p=0.01, overruns=True)
    design = design.model_copy(update={"exclusions": rules})
    found = analyze(design, methods, votes)
    assert [rater.observer for rater in found.raters if rater.excluded] == ["p0"]
    assert (found.n_participants, found.n_unfinished) == (11, 1)
    assert found.n_votes == 10 * 19 + 6

    (tmp_path / "votes.csv").write_text(votes_text(labeled_votes(design, methods, votes)))
    again, kept = analyze_source(tmp_path / "votes.csv", prior="none", draws=200)
    assert again.scores == found.scores
    assert again.scores_all == found.scores_all
    assert again.differences == found.differences
    assert len(kept) == found.n_votes
    assert [rater.excluded for rater in again.raters if rater.excluded] == [["side"]]

    with (tmp_path / "votes.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["scored"] == "1" and row["is_tie"] == "0"]
    x = np.array([[(row["condition_A"] == m) - (row["condition_B"] == m) for m in "bc"] + [1] for row in rows])
    y = np.array([row["is_A_selected"] == "1" for row in rows])
    fit = optimize.minimize(lambda w: -special.log_expit(np.where(y, 1, -1) * (x @ w)).sum(), np.zeros(3), tol=1e-10)
    ours = [found.scores[m].value - found.scores["a"].value for m in "bc"]
    assert ours == pytest.approx(fit.x[:2].tolist(), abs=1e-4)
    assert found.order_effect is not None
    assert found.order_effect.value == pytest.approx(fit.x[2], abs=1e-4)


def test_repeats_are_compared_within_their_session() -> None:
    def vote(session: str, position: int, kind: str, left: str, right: str, *, first: bool) -> VoteRow:
        return VoteRow("p", session, "s", left, right, first, kind=kind, position=position,
                       repeat_of=0 if kind == "repeat" else None)  # fmt: skip

    rows = [
        vote("1", 0, "test", "a", "b", first=True), vote("1", 1, "repeat", "b", "a", first=False),
        vote("2", 0, "test", "a", "b", first=False), vote("2", 1, "repeat", "b", "a", first=True),
    ]  # fmt: skip
    assert repeat_agreements(rows) == [True, True]


def test_no_winner_if_the_rules_exclude_everyone() -> None:
    votes = [replace(row, response_ms=10.0) for row in pair_votes(8, 6, [("a", "b")], lost=4)]
    design, methods = design_of_votes(votes, AnalysisPlan(draws=100))
    found = analyze(design.model_copy(update={"exclusions": Exclusions()}), methods, votes)
    assert found.differences[0].winner is None
    assert "the rules exclude all participants" in found.notes[0]


def test_primary_comparisons_and_equivalence() -> None:
    generator = np.random.default_rng(0)
    abilities = {"a": 1.2, "b": 0.0, "c": 0.0}
    votes = []
    for k in range(1800):
        left, right = generator.choice(list(abilities), 2, replace=False)
        chosen = bool(generator.random() < special.expit(abilities[left] - abilities[right]))
        votes.append(VoteRow(f"p{k % 30}", "1", f"s{(k // 30) % 30}", str(left), str(right), chosen))
    found = analyzed(votes, primary=[["b", "a"]], margin=0.6)
    rows = {(row.first, row.second): row for row in found.differences}
    assert rows["a", "b"].primary
    assert rows["a", "b"].p_holm == rows["a", "b"].p
    assert rows["a", "c"].p_holm >= rows["a", "c"].p
    assert rows["a", "b"].equivalent is False
    alike = rows["b", "c"]
    assert alike.equivalent is True
    assert alike.within is not None
    assert alike.within < 0.6
    assert alike.p_equivalence is not None
    assert alike.p_equivalence < 0.05
    at_margin = analyzed(votes, margin=alike.within)
    again = next(row for row in at_margin.differences if (row.first, row.second) == ("b", "c"))
    assert again.p_equivalence == pytest.approx(0.05, abs=1e-6)
    with pytest.raises(ConfigError, match="primary names 'z'"):
        analyzed(votes, primary=[["z", "a"]])


def test_votes_on_unknown_methods_are_refused() -> None:
    votes = pair_votes(3, 3, [("a", "b"), ("a", "x")])
    design, _ = design_of_votes(votes, AnalysisPlan(draws=100))
    with pytest.raises(ConfigError, match="votes name the method 'x'"):
        analyze(design, ["a", "b"], votes)


def test_old_records_still_load(tmp_path: Path) -> None:
    """Records from before groups, margins and registrations were checked lack their fields."""
    found = analyzed(pair_votes(6, 5, [("a", "b")], lost=8))
    data = json.loads(found.model_dump_json())
    for name in ("n_unfinished", "faults", "interim"):
        del data[name]
    for row in data["differences"]:
        for name in ("lacking", "primary", "within", "p_equivalence", "equivalent"):
            del row[name]
    (tmp_path / "analysis.json").write_text(json.dumps(data))
    assert SurveyAnalysis.load(tmp_path / "analysis.json").scores == found.scores

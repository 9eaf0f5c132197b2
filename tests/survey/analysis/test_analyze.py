"""From votes to scores: known answers through the CSV format, every protocol, exclusions, round trips."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.survey.analysis.analyze import analyze, analyze_source, design_of_votes, scores_json
from chromalab.survey.analysis.page import write_survey_report
from chromalab.survey.analysis.raters import metric_agreements, read_metric_values
from chromalab.survey.design import parse_design
from chromalab.survey.plan import AnalysisPlan, Exclusions
from chromalab.survey.votes import VoteRow
from chromalab.survey.votes_csv import REQUIRED, read_votes, votes_text
from tests.stats.known_votes import BASEBALL
from tests.survey.surveys import make_survey, write_csv

FAST: dict[str, Any] = {"database": None, "order_effect": None, "draws": 100}


def wins_csv(path: Path, wins: list[tuple[str, str]]) -> Path:
    """Winner first: then no order effect can be told, and none is taken off."""
    return write_csv(path, [
        {"observer": f"p{k % 3}", "session": 1, "scene": f"s{k % 2}", "condition_A": a, "condition_B": b,
         "is_A_selected": 1}
        for k, (a, b) in enumerate(wins)
    ])  # fmt: skip


def test_three_items_from_a_file(tmp_path: Path) -> None:
    path = wins_csv(tmp_path / "v.csv", [("0", "1"), ("0", "1"), ("1", "2"), ("2", "0")])
    found, _ = analyze_source(path, prior="none", **FAST)
    assert found.order_effect is None
    data = json.loads(scores_json(found))
    assert [data["scores"][name]["theta"] for name in "012"] == pytest.approx([0.419617624, -0.419617624, 0], abs=1e-7)
    assert set(data["scores"]["0"]) >= {"theta", "se", "ci_low", "ci_high"}
    assert data["tie"] is data["order_effect"] is None


@pytest.mark.slow
def test_baseball_from_a_file(tmp_path: Path) -> None:
    """The home team stands first, so the order effect is the home advantage: .302."""
    rows: list[dict[str, object]] = []
    for home, away, wins, losses in BASEBALL:
        for selected, count in ((1, wins), (0, losses)):
            rows += [
                {"observer": f"p{len(rows) % 20}", "session": 1, "scene": f"s{len(rows) % 7}", "condition_A": home,
                 "condition_B": away, "is_A_selected": selected}
            ] * count  # fmt: skip
    path = write_csv(tmp_path / "v.csv", rows)
    found, _ = analyze_source(path, prior="none", **FAST)
    relative = {name: row.value - found.scores["Bal"].value for name, row in found.scores.items()}
    assert relative["Mil"] == pytest.approx(1.620, abs=6e-4)
    assert found.order_effect is not None
    assert found.order_effect.value == pytest.approx(0.302, abs=6e-4)
    without, _ = analyze_source(path, prior="none", database=None, order_effect=False, draws=100)
    assert without.scores["Mil"].value - without.scores["Bal"].value == pytest.approx(1.581, abs=6e-4)


def test_sides_and_ties_from_a_file(tmp_path: Path) -> None:
    row = {
        "observer": "p",
        "session": 1,
        "scene": "s",
        "condition_A": "a",
        "condition_B": "b",
        "is_A_selected": 1,
        "is_tie": 0,
        "side": "right",
    }
    path = write_csv(tmp_path / "v.csv", [row, row | {"is_A_selected": "", "is_tie": 1}, row | {"is_A_selected": 0}])
    votes = read_votes(path)
    assert [(v.left, v.left_selected) for v in votes[::2]] == [("b", False), ("b", True)]
    assert votes[1].is_tie
    found, _ = analyze_source(path, prior="3", **FAST)
    assert found.tie is not None
    assert any("only one participant and one photo" in note for note in found.notes)


def test_priors_that_give_no_scores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="finite maximum"):
        analyze_source(wins_csv(tmp_path / "w.csv", [("a", "b")]), prior="none", **FAST)
    with pytest.raises(ConfigError, match="--prior"):
        analyze_source(wins_csv(tmp_path / "w.csv", [("a", "b")]), prior="wide", **FAST)


def simulated(
    people: int,
    trials: int,
    scenes: int,
    abilities: list[float],
    *,
    seed: int = 0,
    rater_sd: float = 0.5,
    clickers: int = 0,
) -> list[VoteRow]:
    generator = np.random.default_rng(seed)
    m = len(abilities)
    found = []
    for person in range(people):
        own = np.array(abilities) + generator.normal(0, rater_sd, m)
        for trial in range(trials):
            a, b = generator.choice(m, 2, replace=False)
            d = own[a] - own[b] if person >= clickers else 0.0
            choice = bool(generator.random() < 1 / (1 + np.exp(-d)))
            found.append(
                VoteRow(
                    f"p{person}",
                    "1",
                    f"s{trial % scenes}",
                    f"m{a}",
                    f"m{b}",
                    choice,
                    position=trial,
                    response_ms=1000.0,
                )
            )
        for trial in range(6):
            good = person >= clickers or bool(generator.integers(2))
            found.append(
                VoteRow(
                    f"p{person}",
                    "1",
                    f"s{trial % scenes}",
                    "m0",
                    "random",
                    good,
                    kind="vigilance",
                    position=trials + trial,
                )
            )
    return found


def test_scores_and_differences() -> None:
    votes = simulated(20, 40, 12, [1.0, 0.0, -1.0])
    design, methods = design_of_votes(votes, AnalysisPlan(draws=300))
    found = analyze(design, methods, votes)
    values = [found.scores[name].value for name in methods]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(0, abs=1e-9)
    for row in found.scores.values():
        assert row.participants_se is not None
        assert row.naive_se is not None
        assert row.se >= row.participants_se - 1e-12
        assert row.participants_se > row.naive_se  # people differ, so votes are not independent
    first = found.differences[0]
    assert (first.first, first.second, first.winner) == ("m0", "m1", "m0")
    assert all(row.p_holm >= row.p for row in found.differences)
    assert found.jod["m0"].value == pytest.approx(found.scores["m0"].value / np.log(3), rel=0.15)


def test_random_clickers_are_excluded_and_named() -> None:
    votes = simulated(20, 60, 10, [1.5, 0.0, -1.5], clickers=3, rater_sd=0.2)
    design, methods = design_of_votes(votes, AnalysisPlan(draws=100))
    design = design.model_copy(update={"exclusions": Exclusions()})
    found = analyze(design, methods, votes)
    out = {rater.observer for rater in found.raters if rater.excluded}
    assert out <= {"p0", "p1", "p2"}
    assert out
    flagged = {rater.observer for rater in found.raters if (rater.outlier_distance or 0) > 1.5}
    assert {"p0", "p1", "p2"} <= flagged
    assert found.scores_all["m0"].value < found.scores["m0"].value
    assert found.n_participants == 20 - len(out)


@pytest.mark.slow
def test_fooling_rates() -> None:
    """465 of 1,440 trials fooled: Wilson [.2993, .3475], Clopper-Pearson [.2988, .3478]."""
    votes = []
    for k in range(1440):
        real_left = k % 2 == 0
        fooled = k % 1440 < 465
        a, b = ("truth", "net") if real_left else ("net", "truth")
        votes.append(VoteRow(f"p{k % 36}", "1", f"s{k % 40}", a, b, real_left != fooled))
    design, methods = design_of_votes(votes, AnalysisPlan(draws=200))
    assert design.protocol == "real_or_fake"
    found = analyze(
        design.model_copy(update={"exclusions": design.exclusions.model_copy(update={"fast_share": 1.0})}),
        methods,
        votes,
    )
    facts = found.fooling["net"]
    assert facts.fooled == 465
    assert found.scores["net"].value == pytest.approx(465 / 1440)
    assert facts.wilson == pytest.approx((0.2993, 0.3475), abs=5e-5)
    assert facts.clopper_pearson == pytest.approx((0.2988, 0.3478), abs=5e-5)
    assert facts.d_prime.value == pytest.approx(0.65, abs=0.02)


@pytest.mark.slow
def test_single_images_called_real_or_fake() -> None:
    generator = np.random.default_rng(0)
    votes = [
        VoteRow(f"p{k % 10}", "1", f"s{k % 12}", name, "", bool(generator.random() < p))
        for k in range(600)
        for name, p in (("truth", 0.8), (f"net{k % 2}", 0.3 + 0.2 * (k % 2)))
    ]
    design, methods = design_of_votes(votes, AnalysisPlan(draws=200))
    found = analyze(design, methods, votes)
    assert found.scores["net1"].value > found.scores["net0"].value
    assert found.fooling["net0"].d_prime.value == pytest.approx(1.37, abs=0.3)


def test_ratings() -> None:
    generator = np.random.default_rng(0)
    votes = [
        VoteRow(
            f"p{p}", "1", f"s{s}", f"m{m}", "", False,
            rating=int(np.clip(round(2.2 + m + generator.normal(0, 0.6)), 1, 5)),
        )
        for p in range(12) for s in range(8) for m in range(3)
    ]  # fmt: skip
    design, methods = design_of_votes(votes, AnalysisPlan(draws=200))
    found = analyze(design, methods, votes)
    assert [row.winner for row in found.differences] == ["m1", "m2", "m2"]
    for name in methods:
        assert found.mos[name] == pytest.approx(found.scores[name].value, abs=0.2)
    assert all(rater.bias is not None for rater in found.raters)


def test_a_slider_is_analyzed_like_categories(tmp_path: Path) -> None:
    """Ratings of 25 (r - 1) on the slider give scores, intervals and raters of 25 (s - 1)."""
    generator = np.random.default_rng(1)
    categories = [
        VoteRow(f"p{p}", "1", f"s{s}", f"m{m}", "", False, position=3 * s + m,
                rating=int(np.clip(round(2.4 + m + generator.normal(0, 0.8)), 1, 5)))
        for p in range(8) for s in range(6) for m in range(2)
    ]  # fmt: skip
    categories += [replace(row, kind="vigilance", position=50 + row.position, rating=2) for row in categories[:4]]
    slider = [replace(row, rating=25 * ((row.rating or 0) - 1), scale=100) for row in categories]
    (tmp_path / "v.csv").write_text(votes_text(slider))
    assert read_votes(tmp_path / "v.csv") == slider  # ratings of 0, too
    first, second = (analyze(*design_of_votes(rows, AnalysisPlan(draws=100)), rows) for rows in (categories, slider))
    assert (first.scale, second.scale) == (5, 100)
    for name, row in first.scores.items():
        other = second.scores[name]
        assert [other.value, other.low, other.high] == pytest.approx(
            [25 * (x - 1) for x in (row.value, row.low, row.high)]
        )
        assert second.mos[name] == pytest.approx(25 * (first.mos[name] - 1))
    assert second.differences[0].p == pytest.approx(first.differences[0].p)
    for rater, other_rater in zip(first.raters, second.raters, strict=True):
        assert other_rater.inconsistency == pytest.approx(25 * (rater.inconsistency or 0))
        assert (other_rater.excluded, other_rater.vigilance) == (rater.excluded, rater.vigilance)
    assert "mean opinion score, 0 to 100" in write_survey_report(second, tmp_path / "report").read_text().replace(
        "Mean", "mean"
    )


def test_equal_ratings_of_a_slider_have_honest_intervals() -> None:
    votes = [
        VoteRow(f"p{p}", "1", f"s{s}", f"m{m}", "", False, rating=100 * m, scale=100)
        for p in range(6) for s in range(6) for m in range(2)
    ]  # fmt: skip
    found = analyze(*design_of_votes(votes, AnalysisPlan(draws=100)), votes)
    low, high = found.scores["m0"], found.scores["m1"]
    assert (low.value, low.low, high.value, high.high) == (0, 0, 100, 100)
    assert low.high > 2
    assert high.low < 98


def ranked(rankings: Sequence[str], *, people: int = 20, photos: int = 12) -> list[VoteRow]:
    """Return rankings of methods with names of one letter, which stand on the screen in alphabetical order."""
    return [
        VoteRow(
            f"p{k % people}", "1", f"s{k // people % photos}", min(each), max(each),
            each.index(min(each)) < each.index(max(each)), position=k // people, response_ms=2000.0,
            shown=tuple(sorted(each)), ranking=tuple(each),
        )
        for k, each in enumerate(rankings)
    ]  # fmt: skip


def plackett_luce(abilities: Mapping[str, float], n: int, size: int, seed: int = 0) -> list[str]:
    """Draw rankings as successive choices."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        rest = [str(name) for name in generator.choice(list(abilities), size, replace=False)]
        order = ""
        while rest:
            weights = np.exp([abilities[name] for name in rest])
            order += rest.pop(int(generator.choice(len(rest), p=weights / weights.sum())))
        found.append(order)
    return found


def test_rankings_recover_known_abilities() -> None:
    abilities = {"a": 1.0, "b": 0.4, "c": 0.0, "d": -0.4, "e": -1.0}
    votes = ranked(plackett_luce(abilities, 240, 4))
    design, methods = design_of_votes(votes, AnalysisPlan(draws=200))
    assert design.protocol == "rank_order"
    found = analyze(design, methods, votes)
    for name, ability in abilities.items():
        score = found.scores[name]
        assert score.low < ability < score.high
        assert score.high - score.low < 0.8
        assert score.n == sum(name in vote.ranking for vote in votes)
    assert (found.jod, found.order_effect, found.tie) == ({}, None, None)
    best = next(row for row in found.differences if {row.first, row.second} == {"a", "e"})
    both = [vote.ranking for vote in votes if {"a", "e"} <= {*vote.ranking}]
    assert best.winner == "a"
    assert best.preferred == pytest.approx(np.mean([each.index("a") < each.index("e") for each in both]))
    image = found.images[0]
    own = [vote.ranking for vote in votes if vote.scene == image.photo and image.method in vote.ranking]
    assert image.value == pytest.approx(np.mean([(3 - each.index(image.method)) / 3 for each in own]))
    assert image.votes == len(own)


def test_rankings_of_two_images_are_analyzed_like_pairs() -> None:
    pairs = simulated(12, 20, 8, [0.6, 0.0, -0.6])
    votes = [row for row in pairs if row.kind == "test"]
    as_rankings = [
        replace(row, shown=(row.left, row.right), ranking=row.orders[0][0], condition_a=row.left, condition_b=row.right)
        for row in votes
    ]
    plan = AnalysisPlan(draws=200, order_effect=False)
    first, second = (analyze(*design_of_votes(rows, plan), rows) for rows in (votes, as_rankings))
    assert (first.protocol, second.protocol) == ("pairwise", "rank_order")
    for name, row in first.scores.items():
        other = second.scores[name]
        for value in ("value", "se", "low", "high", "participants_se", "photos_se", "naive_se"):
            assert getattr(other, value) == pytest.approx(getattr(row, value), abs=1e-6)
    assert [row.p_holm for row in second.differences] == pytest.approx([row.p_holm for row in first.differences])
    for rater, other_rater in zip(first.raters, second.raters, strict=True):
        assert other_rater.log_likelihood == pytest.approx(rater.log_likelihood)
        assert other_rater.left_p == pytest.approx(rater.left_p)


def test_near_unanimous_rankings_have_honest_intervals() -> None:
    """Where all rankings agree, no bootstrap varies; one ranking counts once, however many pairs it orders."""
    votes = ranked(["abcd"] * 36, people=6, photos=6)
    found = analyze(*design_of_votes(votes, AnalysisPlan(draws=100)), votes)
    for row in found.differences:
        assert row.low < row.value < row.high
        assert row.high - row.low > 1
    assert next(row for row in found.differences if (row.first, row.second) == ("a", "d")).winner == "a"
    few = ranked(["abcd"] * 9, people=3, photos=3)
    assert all(row.lacking for row in analyze(*design_of_votes(few, AnalysisPlan(draws=100)), few).differences)
    nine = ranked(["abcd"] * 9, people=9, photos=9)
    lacking = analyze(*design_of_votes([replace(row, scene=f"s{k}") for k, row in enumerate(nine)],
                                       AnalysisPlan(draws=100)), nine).differences[0].lacking  # fmt: skip
    assert lacking is not None
    assert "vote" in lacking


def test_exclusions_of_rankings() -> None:
    votes = ranked(plackett_luce({"a": 0.5, "b": 0.0, "c": -0.5}, 240, 3), people=12)
    votes = [replace(row, ranking=row.shown, is_a_selected=True) if row.observer == "p0" else row for row in votes]
    names = ("a", "b", "random")
    votes += [
        replace(row, kind="vigilance", position=50 + row.position, shown=names,
                ranking=("random", "a", "b") if row.observer == "p1" else ("b", "a", "random"))
        for row in votes if row.position < 4
    ]  # fmt: skip
    repeated = [row for row in votes if row.kind == "test" and row.position < 4]
    votes += [
        replace(row, kind="repeat", position=80 + row.position, repeat_of=row.position, shown=row.shown[::-1],
                ranking=row.ranking[::-1] if row.observer == "p2" else (row.ranking[1], row.ranking[0], row.ranking[2]))
        for row in repeated
    ]  # fmt: skip
    design, methods = design_of_votes(votes, AnalysisPlan(draws=100))
    design = design.model_copy(update={"exclusions": Exclusions(repeat_share=0.5)})
    found = {rater.observer: rater for rater in analyze(design, methods, votes).raters}
    assert found["p0"].excluded == ["side"]
    assert found["p1"].excluded == ["vigilance"]
    assert found["p2"].excluded == ["repeats"]
    assert (found["p3"].vigilance, found["p3"].repeats) == ((4, 4), (4, 4))


def test_rankings_come_back_from_a_file(tmp_path: Path) -> None:
    votes = ranked(plackett_luce({"a": 0.5, "b": 0.0, "c": -0.5, "=": 0.0}, 60, 3), people=6)
    (tmp_path / "v.csv").write_text(votes_text(votes))
    assert read_votes(tmp_path / "v.csv") == votes
    rows = list(csv.DictReader((tmp_path / "v.csv").read_text().splitlines()))
    assert [(row["rank"], row["condition_B"], row["is_A_selected"]) for row in rows[:3]] == [
        (str(k), "", "") for k in (1, 2, 3)
    ]
    first, second = (
        analyze(*design_of_votes(each, AnalysisPlan(draws=100)), each)
        for each in (votes, read_votes(tmp_path / "v.csv"))
    )
    assert first == second
    needed = {name: value for name, value in rows[0].items() if name in {*REQUIRED, "rank"}}
    bare = write_csv(
        tmp_path / "b.csv", [needed | {"condition_A": name, "rank": rank} for rank, name in enumerate("cab", 1)]
    )
    (vote,) = read_votes(bare)
    assert (vote.ranking, vote.shown) == (("c", "a", "b"), ("a", "b", "c"))


def test_votes_that_do_not_connect_all_methods(tmp_path: Path) -> None:
    path = wins_csv(tmp_path / "v.csv", [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")])
    found, _ = analyze_source(path, prior="3", **FAST)
    assert found.components == [["a", "b"], ["c", "d"]]
    assert any("groups" in note for note in found.notes)


@pytest.mark.slow
def test_metrics_against_people(tmp_path: Path) -> None:
    votes = simulated(20, 60, 10, [1.5, 0.0, -1.5], rater_sd=0.2)
    rows: list[dict[str, object]] = [
        {"method": f"m{m}", "photo": f"s{s}.jpg", "width_px": 9, "height_px": 9, "good": 10 - m, "bad": -m, "odd": 1}
        for m in range(3) for s in range(10)
    ]  # fmt: skip
    values = read_metric_values(write_csv(tmp_path / "m.csv", rows), ["m0", "m1", "m2"])
    found = metric_agreements(
        [row for row in votes if row.kind == "test"], values, {"good": "higher", "bad": "lower", "odd": "closer"}
    )
    assert list(found) == ["good", "bad"]
    assert found["good"].srcc == pytest.approx(-(found["bad"].srcc or 0))
    assert (found["good"].srcc or 0) > 0.7
    assert (found["good"].two_afc or 0) > 0.7
    assert found["good"].method_srcc == pytest.approx(1)
    with pytest.raises(UsageError, match="no values of x"):
        read_metric_values(tmp_path / "m.csv", ["x"])


def test_the_report(tmp_path: Path) -> None:
    votes = simulated(12, 30, 6, [1.0, 0.0, -1.0])
    design, methods = design_of_votes(votes, AnalysisPlan(draws=100))
    found = analyze(design.model_copy(update={"title": "<b>Which?</b>"}), methods, votes)
    page = write_survey_report(found, tmp_path)
    text = page.read_text()
    assert "<b>Which?" not in text
    assert "m0" in text
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.html", "analysis.json", "scores.csv", "differences.csv", "raters.csv", "images.csv",
    }  # fmt: skip
    assert type(found).load(tmp_path / "analysis.json") == found


def test_the_report_names_every_table(tmp_path: Path) -> None:
    votes = simulated(6, 6, 6, [1.0, 0.0, -1.0])
    design, methods = design_of_votes(votes, AnalysisPlan(draws=100))
    values = {"good": {(f"s{k}", name): -float(name[1]) for name in methods for k in range(6)}}
    found = analyze(design, methods, votes)
    text = write_survey_report(
        found.model_copy(update={"metrics": metric_agreements(votes, values, {"good": "higher"})}), tmp_path
    ).read_text()
    tables = {path.name for path in tmp_path.glob("*.csv")}
    assert "metrics.csv" in tables
    assert all(f"<code>{name}</code>" in text for name in tables)


def test_every_image_has_its_share_of_wins() -> None:
    design = parse_design({"protocol": "pairwise", "analysis": {"draws": 100}}, origin="")
    votes = [
        VoteRow(f"p{person}", "1", "sea", "a", "b", is_a_selected=person != 0, position=number, is_tie=number == 1)
        for person in range(4)
        for number in range(2)
    ]
    found = analyze(design, ["a", "b"], votes)
    assert [(row.photo, row.method, row.votes) for row in found.images] == [("sea", "a", 8), ("sea", "b", 8)]
    assert [row.value for row in found.images] == pytest.approx([(3 + 4 / 2) / 8, (1 + 4 / 2) / 8])


@pytest.mark.parametrize(
    ("column", "values"), [("rating", (5, 3, 2)), ("rank", (1, 2, 3))], ids=["ratings", "rankings"]
)
def test_true_photos_are_scored_like_methods(tmp_path: Path, column: str, values: tuple[int, ...]) -> None:
    bare = dict.fromkeys(REQUIRED, "1") | {"condition_B": "", "is_A_selected": ""}
    lines = [
        bare | {"observer": f"p{k % 6}", "scene": f"s{k // 6}", "condition_A": name, column: value}
        for k in range(36)
        for name, value in zip(("truth", "a", "b"), values, strict=True)
    ]
    found, _ = analyze_source(write_csv(tmp_path / "v.csv", lines), draws=50)
    assert found.methods == ["a", "b", "truth"]
    assert found.scores["truth"].value > found.scores["a"].value > found.scores["b"].value
    assert {image.method for image in found.images} == {"a", "b", "truth"}
    write_survey_report(found, tmp_path / "report")


def test_votes_on_true_photos_alone_cannot_be_analyzed(tmp_path: Path) -> None:
    lines = [dict.fromkeys(REQUIRED, "1") | {"condition_A": "truth", "condition_B": ""}]
    with pytest.raises(UsageError, match="no scored vote is about a colorized photo"):
        analyze_source(write_csv(tmp_path / "v.csv", lines), draws=50)


def test_a_survey_without_votes_cannot_be_analyzed(tmp_path: Path) -> None:
    design = parse_design({"protocol": "pairwise"}, origin="")
    with pytest.raises(UsageError, match="no scored vote"):
        analyze(design, ["a", "b"], [VoteRow("p", "1", "s", "a", "b", True, kind="practice")])
    folder, _ = make_survey(tmp_path)
    with pytest.raises(UsageError, match="survey serve"):
        analyze_source(folder, prior=None, **FAST)

"""Groups of participants: who belongs to them, their scores, and the test of their difference."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chromalab.core.errors import UsageError
from chromalab.survey.analysis.analyze import analyze_source, scores_json
from chromalab.survey.analysis.page import write_survey_report
from chromalab.survey.analysis.records import Subgroup, SubgroupComparison
from chromalab.survey.analysis.subgroups import compare_subgroups, interaction_p
from chromalab.survey.design import Design, parse_design
from chromalab.survey.plan import SubgroupPlan
from chromalab.survey.votes import VoteRow
from tests.survey.surveys import Visitor, client_of, make_survey

QUESTIONS = [
    "age",
    "gender",
    {"name": "easy", "kind": "likert", "text": "Easy?", "options": ["no", "yes"]},
]


def design(protocol: str = "pairwise", subgroups: Any = (), draws: int = 200) -> Design:
    plan = {"protocol": protocol, "before": QUESTIONS, "analysis": {"draws": draws, "subgroups": list(subgroups)}}
    return parse_design(plan, origin="test")


def described(name: str, rows: Any) -> Subgroup:
    """A group without scores, as too few data give."""
    people = {row.observer for row in rows}
    return Subgroup(name=name, n_participants=len(people), n_photos=1, n_votes=len(rows), lacking="too few")


@pytest.mark.parametrize(
    ("plan", "answers", "groups"),
    [
        ("gender", ["man", "woman", None, "man"], {"woman": 1, "man": 2}),
        ("age", [20, 31, 40, 60], {"up to 35.5": 2, "above 35.5": 2}),
        (
            {"question": "age", "bins": [30, 50]}, [20, 30, 49.5, 50],
            {"below 30": 1, "30 to below 50": 2, "50 and above": 1},
        ),
        ("easy", [4, 2, 4, None], {"2": 1, "4": 2}),
        ({"question": "easy", "bins": [3]}, [1, 3, 5, 2], {"below 3": 2, "3 and above": 2}),
    ],
)  # fmt: skip
def test_answers_divide_participants(plan: Any, answers: list[Any], groups: dict[str, int]) -> None:
    name = plan if isinstance(plan, str) else plan["question"]
    given: dict[str, dict[str, object]] = {f"p{k}": {name: answer} for k, answer in enumerate(answers)}
    rows = [VoteRow(observer, "1", "s", "a", "b", is_a_selected=True) for observer in given]
    (found,) = compare_subgroups(design(subgroups=[plan]), ["a", "b"], rows, given, [], described)
    assert {group.name: group.n_participants for group in found.groups} == groups
    assert list(groups) == [group.name for group in found.groups]
    assert found.unanswered == answers.count(None)
    assert (found.p, found.p_holm, found.planned) == (None, None, False)


def votes(protocol: str, effect: float, seed: int, people: int = 16) -> tuple[list[VoteRow], dict[str, str]]:
    """Votes of two groups, of which the second likes b, or is fooled by it, more by an effect in logits or points."""
    generator = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        own, level = generator.normal(0, 0.5) + effect * (person % 2), 3 + generator.integers(-1, 2)
        for trial in range(12):
            first, scene = "ab"[trial % 2], f"s{trial}"
            good = bool(generator.random() < 1 / (1 + np.exp(-own)))
            if protocol == "pairwise":
                row = VoteRow(f"p{person}", "1", scene, "a", "b", is_a_selected=not good)
            elif protocol == "rank_order":
                noisy = {name: generator.gumbel() + own * (name == "b") for name in "abc"}
                ranking = tuple(sorted(noisy, key=noisy.__getitem__, reverse=True))
                row = VoteRow(
                    f"p{person}", "1", scene, "a", "c", is_a_selected=True, shown=("a", "b", "c"), ranking=ranking
                )
            elif protocol == "real_or_fake":
                row = VoteRow(f"p{person}", "1", scene, "truth", "b", is_a_selected=not good)
            else:
                rating = int(np.clip(round(level + own * (first == "b") + generator.normal(0, 0.5)), 1, 5))
                row = VoteRow(f"p{person}", "1", scene, first, "", is_a_selected=False, rating=rating)
            rows.append(row)
    return rows, {f"p{person}": "ab"[person % 2] for person in range(people)}


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["pairwise", "rank_order", "real_or_fake", "rating"])
def test_the_test_finds_a_difference_and_keeps_its_level(protocol: str) -> None:
    plan = design(protocol, draws=100)
    methods = {"real_or_fake": ["b"], "rank_order": ["a", "b", "c"]}.get(protocol, ["a", "b"])
    rows, group_of = votes(protocol, 2.0, 0)
    assert (interaction_p(plan, methods, rows, group_of) or 1) < 0.02
    alike = [interaction_p(plan, methods, *votes(protocol, 0.0, seed)) or 0 for seed in range(1, 61)]
    assert np.mean(np.array(alike) <= 0.05) < 0.13  # .05 and three standard errors
    assert np.mean(alike) == pytest.approx(0.5, abs=0.12)


def test_a_general_level_of_ratings_is_no_difference() -> None:
    rows, group_of = votes("rating", 0.0, 0)
    assert interaction_p(design("rating"), ["a"], [row for row in rows if row.condition_a == "a"], group_of) is None


def test_holm_covers_planned_questions_alone_and_others_all() -> None:
    rows, _ = votes("pairwise", 2.0, 0, people=24)
    answers: dict[str, dict[str, object]] = {
        f"p{k}": {"gender": ("woman", "man")[k % 2], "easy": 1 + k % 2, "age": 20 + k} for k in range(24)
    }
    plans = [SubgroupPlan(question=name) for name in ("gender", "easy", "age")]

    def enough(name: str, group: Any) -> Subgroup:
        return described(name, group).model_copy(update={"lacking": None})

    found = compare_subgroups(design(subgroups=plans), ["a", "b"], rows, answers, plans[:1], enough)
    assert [row.planned for row in found] == [True, False, False]
    assert found[0].p_holm == found[0].p
    assert found[1].p is not None
    assert found[1].p_holm is not None
    assert found[1].p_holm > found[1].p


@pytest.mark.slow
def test_a_survey_with_groups_from_the_answers_to_the_report(tmp_path: Path) -> None:
    folder, _ = make_survey(
        tmp_path, before=["age", "gender"], analysis={"draws": 100, "subgroups": ["gender"]},
        exclusions={"side_p": 0, "fast_share": 1},
    )  # fmt: skip
    with client_of(folder) as client:
        for k in range(11):
            Visitor(client).begin(age=20 + k, gender=None if k == 10 else k % 2).finish(("left", "right")[k % 2])
    found, _ = analyze_source(folder, subgroups=[SubgroupPlan(question="age", bins=[27])])
    gender, age = found.subgroups
    assert isinstance(gender, SubgroupComparison)
    assert (gender.planned, age.planned, gender.unanswered) == (True, False, 1)
    assert [(group.name, group.n_participants, group.n_votes) for group in gender.groups] == [
        ("woman", 5, 30), ("man", 5, 30)
    ]  # fmt: skip
    assert set(gender.groups[0].scores) == {"alpha", "beta", "gamma"}
    assert gender.p is not None
    few = age.groups[1]
    assert (few.name, few.n_participants, few.scores) == ("27 and above", 4, {})
    assert few.lacking == "the data are too few: 4 participants of at least 5"
    assert age.p is None
    assert any("for this analysis, subgroups" in change for change in found.changes)
    page = write_survey_report(found, tmp_path / "report").read_text()
    assert "Groups by gender (planned) " in page
    ranked = write_survey_report(found.model_copy(update={"protocol": "rank_order"}), tmp_path / "ranked").read_text()
    assert "differ as much (log-abilities)" in page
    assert "differ as much (log-abilities)" in ranked
    assert "Groups by age (exploratory) are not compared, because the data are too few." in page
    with (tmp_path / "report" / "subgroups.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["question"], row["group"], row["method"]) for row in rows[-4:]] == [
        ("age", "below 27", "alpha"), ("age", "below 27", "beta"), ("age", "below 27", "gamma"),
        ("age", "27 and above", ""),
    ]  # fmt: skip
    assert float(rows[0]["value"]) == gender.groups[0].scores["alpha"].value
    assert json.loads(scores_json(found))["subgroups"][0]["question"] == "gender"
    with pytest.raises(UsageError, match="there is no question pet"):
        analyze_source(folder, subgroups=[SubgroupPlan(question="pet")])

"""Schedules: balance, order, sides, repeats."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromalab.survey.adaptive import Tally, choose_pair, fill_slot
from chromalab.survey.design import DAMAGED, RANDOM, TRUTH, Design, parse_design
from chromalab.survey.power import expected_usage
from chromalab.survey.schedule import Trial, is_right, largest_number_of_trials, make_schedule, seeded


def design(**other: Any) -> Design:
    return parse_design({"protocol": "pairwise", **other}, origin="test")


def schedule(plan: Design, methods: int, scenes: int, person: str = "p", **other: Any) -> list[Trial]:
    return make_schedule(
        plan, [f"m{k}" for k in range(methods)], [f"s{k}" for k in range(scenes)], other.pop("usage", {}),
        seeded(b"secret", person, "schedule"), **other,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "fewest", "mean"),
    [
        (design(trials=6, stop={"participants": 2}), 0, 12 / 30),  # 10 photos and 3 pairs
        (design(protocol="rating", trials=3, stop={"participants": 5}), 0, 15 / 30),
        (design(protocol="real_or_fake", trials=10, practice=0, stop={"participants": 3}), 1, 1),
        (design(protocol="real_or_fake", trials=10, practice=0, stop={"participants": 1}), 1, 1),
    ],
)
def test_items_that_nobody_sees_count_in_the_balance(plan: Design, fewest: int, mean: float) -> None:
    found = expected_usage(plan, ["a", "b", "c"], [f"s{k}" for k in range(10)])
    assert (found["fewest"], found["most"]) == (fewest, 1)
    assert found["mean"] == pytest.approx(mean)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 7), st.integers(3, 12), st.integers(1, 40), st.integers(0, 10_000))
def test_a_uniform_schedule(methods: int, scenes: int, trials: int, person: int) -> None:
    plan = design(trials=min(trials, scenes * methods * (methods - 1) // 2), repeats=0.1, vigilance=0.1)
    found = schedule(plan, methods, scenes, str(person))
    kinds = Counter(trial.kind for trial in found)
    assert (
        kinds
        == Counter({"test": plan.trials, "practice": 2, "repeat": plan.n_repeats, "vigilance": plan.n_vigilance})
        - Counter()
    )
    tests = [trial for trial in found if trial.kind == "test"]
    assert len({trial.item for trial in tests}) == plan.trials
    lean: Counter[str] = Counter()
    pair_lean: Counter[tuple[str, str]] = Counter()
    for trial in tests:
        lean[trial.left] += 1
        lean[trial.right] -= 1
        a, b = sorted((trial.left, trial.right))
        pair_lean[a, b] += 1 if trial.left == a else -1
    assert max(map(abs, lean.values())) <= 1
    assert max(map(abs, pair_lean.values())) <= 1
    per_pair = Counter(trial.item[1:] for trial in tests)
    assert max(per_pair.values()) - min(per_pair.values()) <= 1
    for place, trial in enumerate(found):
        if trial.kind == "repeat":
            first = found[trial.repeat_of or 0]
            assert (first.scene, first.left, first.right) == (trial.scene, trial.right, trial.left)
            assert place > (trial.repeat_of or 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 12), st.integers(0, 10_000))
def test_a_photograph_never_follows_itself(scenes: int, person: int) -> None:
    found = schedule(design(trials=3 * scenes, repeats=0.05, vigilance=0.1), 4, scenes, str(person))
    assert all(first.scene != second.scene for first, second in pairwise(found))


def test_items_that_others_saw_least_come_first() -> None:
    plan = design(trials=6, vigilance=0, repeats=0)
    usage: dict[Any, int] = {}
    for person in range(20):
        for trial in schedule(plan, 3, 4, str(person), usage=usage):
            if trial.kind == "test":
                usage[trial.item] = usage.get(trial.item, 0) + 1
    assert set(usage.values()) == {10}


def test_schedules_are_reproducible_and_differ_between_participants() -> None:
    plan = design(trials=10)
    assert schedule(plan, 4, 6, "a") == schedule(plan, 4, 6, "a")
    assert schedule(plan, 4, 6, "a") != schedule(plan, 4, 6, "b")


def test_real_or_fake() -> None:
    plan = design(protocol="real_or_fake", trials=20)
    found = schedule(plan, 3, 40, method="m1")
    tests = [trial for trial in found if trial.kind == "test"]
    assert {name for trial in tests for name in (trial.left, trial.right)} == {"m1", TRUTH}
    assert Counter(trial.left for trial in tests) == {"m1": 10, TRUTH: 10}
    assert all(TRUTH in (t.left, t.right) and RANDOM in (t.left, t.right) for t in found if t.kind == "vigilance")
    practiced = {trial.scene for trial in found if trial.kind == "practice"}
    assert len(practiced) == 10
    assert not practiced & {trial.scene for trial in tests}
    alone = schedule(design(protocol="real_or_fake", form="yes_no", trials=20), 3, 40, method="m1")
    assert Counter(trial.left for trial in alone if trial.kind == "test") == {"m1": 10, TRUTH: 10}


def test_checks_show_the_true_colors_beside_damaged_ones_where_they_are_known() -> None:
    plan = design(trials=20, vigilance=0.2, repeats=0)
    known = {"s2", "s5", "s7"}
    checks = [trial for trial in schedule(plan, 3, 12, damaged=known) if trial.kind == "vigilance"]
    assert {check.scene for check in checks if DAMAGED in (check.left, check.right)} == known
    assert all({check.left, check.right} == {TRUTH, DAMAGED} for check in checks if check.scene in known)
    assert [RANDOM in (check.left, check.right) for check in checks if check.scene not in known] == [True]
    alone = schedule(design(protocol="rating", trials=20, vigilance=0.2), 3, 12, damaged=known)
    assert sum(trial.left == DAMAGED and trial.right == "" for trial in alone) == 3


def test_adaptive_checks_show_the_true_colors_beside_damaged_ones() -> None:
    before: list[Trial] = []
    for number in range(3):
        slot, generator = Trial("vigilance"), seeded(b"secret", "p", str(number))
        before.append(fill_slot(slot, ["s0", "s1", "s2"], ["a", "b"], before, generator, known={"s0", "s2"}))
    assert {before[0].scene, before[1].scene} == {"s0", "s2"}
    assert all({trial.left, trial.right} == {TRUTH, DAMAGED} for trial in before[:2])
    assert RANDOM in (before[2].left, before[2].right)


@pytest.mark.parametrize(("protocol", "shown"), [("pairwise", {TRUTH, DAMAGED}), ("rating", {TRUTH, DAMAGED, ""})])
def test_practice_with_feedback_has_known_answers(protocol: str, shown: set[str]) -> None:
    known = {"s2", "s5", "s7"}
    for person in "abcdef":
        plan = design(protocol=protocol, practice=4, feedback=True, trials=10)
        practice = schedule(plan, 3, 12, person, damaged=known)[:4]
        assert {trial.kind for trial in practice} == {"practice"}
        assert {trial.scene for trial in practice} == known
        assert {name for trial in practice for name in (trial.left, trial.right)} == shown
        assert Counter(trial.left for trial in practice) == {TRUTH: 2, DAMAGED: 2}


@pytest.mark.parametrize(
    ("first", "second", "right"),
    [
        (TRUTH, DAMAGED, {"left"}),
        (DAMAGED, TRUTH, {"right"}),
        ("a", RANDOM, {"left"}),
        (RANDOM, "a", {"right"}),
        ("a", TRUTH, {"right"}),
        (TRUTH, "", {"real", "3", "4", "5"}),
        (DAMAGED, "", {"fake", "1", "2"}),
    ],
)
def test_known_answers(first: str, second: str, right: set[str]) -> None:
    choices = ["left", "tie", "right"] if second else ["real", "fake", *"12345"]
    assert {choice for choice in choices if is_right((first, second), choice)} == right


def test_known_answers_of_rankings_and_sliders() -> None:
    assert [choice for choice in ("123", "132", "321", "312") if is_right(("a", RANDOM, "b"), choice)] == ["132", "312"]
    assert [choice for choice in ("0/100", "40/100", "41/100", "5/100") if is_right((DAMAGED, ""), choice)] == [
        "0/100", "40/100", "5/100",
    ]  # fmt: skip
    assert is_right((TRUTH, ""), "41/100")


@pytest.mark.parametrize(
    ("plan", "digest"),
    [
        ({"trials": 20, "vigilance": 0.1}, "65fc187cd9b1"),
        ({"trials": 20, "vigilance": 0.1, "protocol": "rating"}, "b1ba5aa444c3"),
        ({"trials": 20, "protocol": "real_or_fake"}, "d3cd6be3901e"),
    ],
)
def test_schedules_of_older_surveys_stay_the_same(plan: dict[str, Any], digest: str) -> None:
    """Surveys of older versions have no damaged colors; these hashes are of schedules of the version before them."""
    found = schedule(design(**plan), 3, 20, method="m1" if plan.get("protocol") == "real_or_fake" else "")
    assert hashlib.sha256(repr(found).replace(", others=()", "").encode()).hexdigest()[:12] == digest


def test_ratings() -> None:
    found = schedule(design(protocol="rating", trials=12), 3, 8)
    tests = [trial for trial in found if trial.kind == "test"]
    assert set(Counter(trial.left for trial in tests).values()) == {4}
    assert all(trial.right == "" for trial in found)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 9), st.integers(3, 6), st.integers(6, 20), st.integers(1, 20), st.integers(0, 10_000))
def test_rankings(methods: int, size: int, scenes: int, trials: int, person: int) -> None:
    size, trials = min(size, methods), min(trials, scenes)
    plan = design(protocol="rank_order", per_trial=size, trials=trials, repeats=0.2, vigilance=0.2)
    found = schedule(plan, methods, scenes, str(person))
    assert all(len(set(trial.shown)) == size for trial in found)
    tests = [trial for trial in found if trial.kind == "test"]
    assert len({trial.scene for trial in tests}) == len(tests) == trials
    shown = Counter(name for trial in tests for name in trial.shown)
    assert max(shown.values()) - min(shown[f"m{k}"] for k in range(methods)) <= 1
    at = Counter((name, place) for trial in tests for place, name in enumerate(trial.shown))
    for name in shown:
        counts = [at[name, place] for place in range(size)]
        assert max(counts) - min(counts) <= 1
    assert all(RANDOM in trial.shown for trial in found if trial.kind == "vigilance")
    for trial in found:
        if trial.kind == "repeat":
            assert found[trial.repeat_of or 0].shown == trial.shown[::-1]


def test_photos_and_methods_that_others_ranked_least_come_first() -> None:
    plan = design(protocol="rank_order", per_trial=3, trials=4, vigilance=0, repeats=0)
    usage: dict[Any, int] = {}
    for person in range(30):
        for trial in schedule(plan, 6, 8, str(person), usage=usage):
            if trial.kind == "test":
                usage[trial.item] = usage.get(trial.item, 0) + 1
    photos = Counter[str]()
    images = Counter[tuple[str, str]]()
    for (scene, *names), n in usage.items():
        photos[scene] += n
        images.update({(scene, name): n for name in names})
    assert set(photos.values()) == {15}
    assert len(images) == 48
    assert max(images.values()) - min(images.values()) <= 3


@pytest.mark.parametrize(
    ("protocol", "most"), [("pairwise", 30), ("rating", 20), ("real_or_fake", 5), ("rank_order", 5)]
)
def test_the_largest_number_of_trials_without_repetition(protocol: str, most: int) -> None:
    plan = parse_design({"protocol": protocol, "trials": 1}, origin="test")
    assert largest_number_of_trials(plan, 4, 5) == most


def test_adaptive_repeats_are_spread_behind_their_originals() -> None:
    plan = design(pairs="adaptive", trials=20, repeats=0.2, vigilance=0.1, practice=2)
    places = []
    for person in range(20):
        slots = make_schedule(plan, ["a", "b"], ["x"], {}, seeded(b"secret", str(person), "schedule"))
        repeats = [(place, slot.repeat_of) for place, slot in enumerate(slots) if slot.repeat_of is not None]
        assert len(repeats) == 4
        assert all(slots[origin].kind == "test" and place > origin + 4 for place, origin in repeats)
        places += [place / (len(slots) - 1) for place, _ in repeats]
    assert 0.6 < sum(places) / len(places) < 0.8
    assert min(places) < 0.5


def test_adaptive_choices_can_be_replayed() -> None:
    plan = design(pairs="adaptive", trials=20, repeats=0.1, vigilance=0.1)
    methods, scenes = ["m0", "m1", "m2", "m3"], [f"s{k}" for k in range(5)]
    tally = Tally(methods)
    before: list[Trial] = []
    log = []
    for number, slot in enumerate(schedule(plan, 4, 5)):
        generator = seeded(b"secret", "p", f"trial {number}")
        if slot.kind != "test":
            before.append(fill_slot(slot, scenes, methods, before, generator))
            continue
        choice = choose_pair(plan, tally, scenes, before, generator)
        log.append((number, list(before), choice))
        before.append(choice.trial)
        tally.add(number, choice.trial, "left" if choice.trial.left < choice.trial.right else "right")
    assert len({choice.trial.item for _, _, choice in log}) == 20
    chosen_later = [(first, second) for first, second in pairwise(before) if second.kind != "repeat"]
    assert all(first.scene != second.scene for first, second in chosen_later)
    again = Tally(methods)
    for number, known, choice in log:
        assert choose_pair(plan, again, scenes, known, seeded(b"secret", "p", f"trial {number}")) == choice
        assert 0 < choice.probability <= 1
        again.add(number, choice.trial, "left" if choice.trial.left < choice.trial.right else "right")

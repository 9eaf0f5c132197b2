"""Where one reading ends and another begins, and that every sentence names its number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.report.readings import (
    Measured,
    read_accuracy,
    read_cosine,
    read_gradient_norm,
    read_share,
    read_trend,
    thresholds,
)


def alike(value: float) -> Measured:
    """Return a number that three seeds agree on."""
    return Measured(value, value, value, 3)


@pytest.mark.parametrize(
    ("cosine", "words"),
    [
        (-1.0, "pull against each other"),
        (-0.2, "pull against each other"),
        (-0.19, "nearly independent"),
        (0.19, "nearly independent"),
        (0.2, "pull the same way"),
        (0.0, "at right angles"),
    ],
)
def test_cosines(cosine: float, words: str) -> None:
    assert read_cosine("l2", "gan", alike(cosine)).words == words


def test_seeds_around_zero_are_no_right_angle() -> None:
    assert read_cosine("l2", "gan", Measured(0.0, -0.1, 0.1, 3)).words == "nearly independent"


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.019, "has hardly any say"), (0.02, ""), (0.98, ""), (0.985, "decides alone"), (0.0, "has hardly any say")],
)
def test_shares(share: float, words: str) -> None:
    assert read_share("gan", alike(share)).words == words


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [
        (0.96, "wins nearly always"),
        (0.95, "wins nearly always"),
        (0.94, "tells them apart"),
        (0.55, "can't tell them apart"),
        (0.46, "can't tell them apart"),
        (0.3, "is fooled"),
    ],
)
@pytest.mark.parametrize("wasserstein", [True, False])
def test_accuracies(accuracy: float, words: str, wasserstein: bool) -> None:
    assert read_accuracy(alike(accuracy), wasserstein=wasserstein).words == words


def test_a_wasserstein_critic_may_win() -> None:
    assert "no fault" in read_accuracy(alike(0.99), wasserstein=True).sentence
    assert "Lower its rate" in read_accuracy(alike(0.99), wasserstein=False).sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Measured(-0.3, -0.4, -0.2, 3), "falls"),
        (Measured(0.3, 0.2, 0.4, 3), "grows"),
        (Measured(0.1, -0.1, 0.2, 3), "is steady"),
        (Measured(0.4, -0.2, 1.2, 3), "seeds disagree"),
    ],
)
def test_trends(change: Measured, words: str) -> None:
    assert read_trend(change, 1.0, 2.0, wasserstein=True).words == words


def test_a_trend_names_what_it_is_a_trend_of() -> None:
    assert "Wasserstein estimate" in read_trend(alike(0.5), 0.2, 0.4, wasserstein=True).sentence
    other = read_trend(alike(0.5), 0.2, 0.4, wasserstein=False).sentence
    assert "score difference grows (0.20 in the middle third, 0.40 in the last)" in other


@pytest.mark.parametrize(("norm", "holds"), [(0.49, False), (0.5, True), (1.5, True), (1.51, False)])
def test_the_penalty_holds_norms_near_one(norm: float, holds: bool) -> None:
    assert (read_gradient_norm(alike(norm)).words == "the penalty holds") is holds


@given(st.floats(-1, 1))
def test_a_sentence_names_the_cosine(cosine: float) -> None:
    said = read_cosine("l2", "gan", alike(cosine)).sentence
    assert f"{abs(cosine):.2f}" in said or "cosine 0)" in said


def test_seeds_are_named_only_where_they_differ() -> None:
    assert "seeds" not in Measured(0.3, 0.29, 0.31, 3).text("cosine")
    assert Measured(0.3, 0.1, 0.5, 3).text("cosine") == "cosine 0.30, seeds 0.10 to 0.50"


def test_the_thresholds_are_said_to_be_the_projects_own() -> None:
    assert "this project's own" in thresholds()
    assert all(number in thresholds() for number in ("±0.2", "2 %", "98 %", "95 %", "55 %", "20 %", "0.5 from 1"))

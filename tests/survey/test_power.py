"""Power of designs against the analysis of simulated votes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from chromalab.survey.analysis.scores import score_fooling
from chromalab.survey.design import parse_design
from chromalab.survey.power import _study as simulated_study  # the estimate behind the table
from chromalab.survey.power import power_words, simulate_power, trials_per_group
from chromalab.survey.votes import VoteRow

METHODS = tuple("abcde")
SCENES = tuple(f"s{k}" for k in range(40))
PEOPLE, TRIALS, DIFFERENCE = 100, 30, 0.8


def fooling_votes(seed: int) -> list[VoteRow]:
    """Return votes on pairs of a true photo and one of two methods, each from its own fifth of the participants."""
    generator = np.random.default_rng(seed)
    true = generator.normal(0, 0.4, len(SCENES))
    votes = []
    for method, ability in (("a", DIFFERENCE / 2), ("b", -DIFFERENCE / 2)):
        photo = generator.normal(0, 0.4, len(SCENES)) - true
        for person in range(PEOPLE // len(METHODS)):
            own = ability + generator.normal(0, 0.5 * 2**0.5)
            for scene in generator.permutation(len(SCENES))[:TRIALS]:
                fooled = generator.random() < special.expit(own + photo[scene])
                votes.append(VoteRow(f"{method}{person}", "1", SCENES[scene], "truth", method, not fooled))
    return votes


@pytest.mark.slow
def test_power_of_real_or_fake_is_that_of_the_analysis() -> None:
    power = {"difference": DIFFERENCE, "rater_sd": 0.5, "photo_sd": 0.4}
    design = parse_design({"protocol": "real_or_fake", "trials": TRIALS, "power": power}, origin="")
    planned = [simulated_study(design, METHODS, SCENES, PEOPLE, DIFFERENCE, seed) for seed in range(300)]
    analyzed = [
        score_fooling(fooling_votes(seed), ["a", "b"], draws=100, level=0.95, seed=seed).difference(0, 1)
        for seed in range(60)
    ]
    values = [found.value for found in analyzed]
    assert np.mean([study.mean for study in planned]) == pytest.approx(np.mean(values), abs=0.03)
    assert np.std([study.mean for study in planned]) == pytest.approx(np.std(values), rel=0.25)
    significant = np.mean([found.p_value() < 0.05 for found in analyzed])
    assert np.mean([study.differs for study in planned]) == pytest.approx(significant, abs=0.15)


def test_estimates_from_ratings_have_the_spread_of_independent_ratings() -> None:
    """Without effects of participants and photos, a mean of n ratings has the variance 1/n, and a difference 2/n."""
    design = parse_design({"protocol": "rating", "trials": 40, "power": {"rater_sd": 0, "photo_sd": 0}}, origin="")
    means = [simulated_study(design, METHODS[:2], SCENES, 20, 0.4, seed).mean for seed in range(400)]
    assert np.std(means) == pytest.approx((2 / (20 * 40 / 2)) ** 0.5, rel=0.1)


def test_the_limit_of_photos_follows_from_countless_participants() -> None:
    power = {"difference": 0.4, "photo_sd": 1.0, "rater_sd": 0.5, "simulations": 20}
    design = parse_design({"protocol": "real_or_fake", "trials": 4, "power": power}, origin="")
    table = simulate_power(design, ["a", "b"], SCENES[:4])
    generator = np.random.default_rng(0)
    true, own = generator.normal(size=(20_000, 4)), generator.normal(size=(2, 20_000, 4))
    rater = 0.5 * 2**0.5 * generator.normal(size=200)
    rates = [
        special.expit(way * 0.2 + (own[k] - true)[..., None] + rater).mean(axis=-1) for k, way in enumerate((1, -1))
    ]
    difference = rates[0] - rates[1]
    t = difference.mean(axis=1) / (difference.std(axis=1, ddof=1) / 2)
    assert table.limit is not None
    assert table.limit.power == pytest.approx((np.abs(t) > 3.182446).mean(), abs=0.02)  # the quantile of t with 3 df
    assert [row.participants for row in table.rows][-1] == 500
    assert len(power_words(table)) == 2


def test_half_of_the_single_images_are_true_photos() -> None:
    design = parse_design({"protocol": "real_or_fake", "form": "yes_no", "trials": 40}, origin="")
    assert trials_per_group(design, METHODS) == 4

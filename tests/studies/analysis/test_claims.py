from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.analysis.differences import TOO_FEW
from tests.studies.synthetic import FACTS, PER_PHOTO, Plan, make_study, study_record, without_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chromalab.studies.records import ClaimRow

BETTER = {"mae": -2.0, "psnr": 2.0, "ssim": 2.0, "lpips_alex": -2.0, "lpips_squeeze": -2.0, "frechet_lite0": -2.0}
WORSE = {name: -effect for name, effect in BETTER.items()}


def claims(plan: Plan, rng_seed: int = 0) -> dict[tuple[str, str], ClaimRow]:
    """Return the verdicts on claims in a synthetic study, by claim and color space."""
    return {(row.id, row.color_space): row for row in analyze(make_study(plan, rng_seed), FACTS).claims}


def row_of(claim: str, effects: Mapping[str, Mapping[str, float]]) -> ClaimRow:
    return claims(Plan(effects=effects))[claim, "lab"]


def only(*metrics: str) -> dict[str, float]:
    """Return the improvements under some metrics alone."""
    return {name: BETTER[name] for name in metrics}


# C1: most metrics


@pytest.mark.parametrize(
    ("effects", "verdict"),
    [
        ({"perceptual": BETTER}, "supported"),
        # 3 of the 5 metrics that count; the one it was trained on does not.
        ({"perceptual": only("mae", "psnr", "ssim")}, "supported"),
        ({"perceptual": only("mae", "psnr", "lpips_squeeze")}, "undecided"),
        ({}, "undecided"),
        ({"perceptual": WORSE}, "contradicted"),
        ({"l2": BETTER}, "contradicted"),
        # Worse than one rival under three of five metrics, though better than all others.
        ({"perceptual": only("mae", "psnr", "ssim"), "l1": {"mae": -4, "psnr": 4, "ssim": 4}}, "contradicted"),
        # wgan_perceptual is no rival of this claim.
        ({"perceptual": BETTER, "wgan_perceptual": {name: 2 * effect for name, effect in BETTER.items()}}, "supported"),
    ],
)
def test_most_metrics(effects: Mapping[str, Mapping[str, float]], verdict: str) -> None:
    assert row_of("C1", effects).verdict == verdict


def test_most_metrics_summarizes_its_counts() -> None:
    row = row_of("C1", {"perceptual": only("mae", "psnr", "lpips_squeeze"), "l2": only("ssim")})
    assert "better than each of l1, l2 and wgan_l2 under 2 of 5 metrics (mae, psnr)" in row.summary
    assert "worse than at least one of them under 1 (ssim)" in row.summary
    assert "l2 wins 1 (ssim)" in row.summary
    assert "Not counted, as perceptual was trained on the same network: lpips_squeeze" in row.summary
    assert "95% interval" in row.summary
    assert "5 seeds and 40 test photos" in row.how_far
    assert "of the span" in row.how_far
    assert "In this study `perceptual` is lpips_squeeze" in row.how_far
    assert len(row.evidence) == 5 * 3


def test_metrics_that_repeat_others_do_not_count() -> None:
    mae = next(facts for facts in FACTS if facts.name == "mae")
    facts = [*FACTS, mae.model_copy(update={"name": "rmse", "label": "RMSE"})]
    plan = Plan(effects={"perceptual": {**only("mae"), "rmse": BETTER["mae"]}}, facts=facts)
    (row,) = [row for row in analyze(make_study(plan), facts).claims if row.id == "C1"]
    assert "under 1 of 5 metrics (mae)" in row.summary


def test_most_metrics_uses_the_rivals_that_are_there() -> None:
    plan = Plan(objectives=("perceptual", "l1", "mine"), effects={"perceptual": BETTER})
    row = claims(plan)["C1", "lab"]
    assert row.verdict == "supported"
    assert "better than l1 under 5 of 5 metrics" in row.summary


# C2: vivid colors

VIVID = {"colorfulness": 3.0, "chroma": 2.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("effects", "verdict"),
    [
        ({"perceptual": VIVID, "wgan_l2": VIVID}, "supported"),
        ({"perceptual": VIVID}, "undecided"),
        ({"perceptual": VIVID, "wgan_l2": {"colorfulness": 3.0}}, "undecided"),
        ({"perceptual": VIVID, "wgan_l2": {"colorfulness": 3.0, "chroma": -3.0}}, "contradicted"),
        ({"l1": VIVID}, "contradicted"),
        ({}, "undecided"),
        # More vivid than the photographs themselves (40) is still more vivid.
        ({"perceptual": {"colorfulness": 30.0, "chroma": 30.0}, "wgan_l2": VIVID}, "supported"),
    ],
)
def test_vivid_colors(effects: Mapping[str, Mapping[str, float]], verdict: str) -> None:
    assert row_of("C2", effects).verdict == verdict


def test_vivid_colors_summarizes_the_differences() -> None:
    row = row_of("C2", {"perceptual": VIVID, "wgan_l2": {"colorfulness": 3.0, "chroma": -3.0}})
    assert "6 of 8 comparisons find the vivid objective significantly higher, 2 significantly lower" in row.summary
    assert "the photos themselves have 40" in row.summary
    assert sum(line.endswith("wgan_l2 lower") for line in row.evidence) == 2


# No practical difference


@pytest.mark.parametrize(
    ("effects", "noise", "verdict"),
    [
        ({}, 0.02, "supported"),
        ({"l1": {"mae": 0.3}}, 0.02, "supported"),  # significant, but far below a tenth of the span of 10
        ({"l1": {"mae": 3.0}}, 0.02, "contradicted"),
        ({"l1": {"mae": 1.0}}, 0.02, "undecided"),  # at the margin
        ({}, 1.5, "undecided"),
    ],
)
def test_no_practical_difference(effects: Mapping[str, Mapping[str, float]], noise: float, verdict: str) -> None:
    row = claims(Plan(effects=effects, seed_sd=noise, noise_sd=noise))["equivalence", "lab"]
    assert row.verdict == verdict


def test_no_practical_difference_names_the_largest_one() -> None:
    row = claims(Plan(objectives=("l1", "l2"), effects={"l1": {"mae": 3.0}}, seed_sd=0.02, noise_sd=0.02))
    summary = row["equivalence", "lab"].summary
    assert "Of 8 comparisons" in summary
    assert "7 lie within 10% of the span" in summary
    assert "1 lie beyond it, and 0 are undecided" in summary
    assert "The largest difference: mae: l1 - l2 = +3" in summary
    assert "30% of the span" in summary


def test_no_practical_difference_needs_a_value_of_every_comparison() -> None:
    study = make_study(Plan(effects={"wgan_l2": {"mae": 4.0}}, seed_sd=0.02, noise_sd=0.1))
    begun = without_runs(study, *(name for name in study.runs if not name.startswith(("l1-", "l2-"))))
    row = next(row for row in analyze(begun, FACTS).claims if row.id == "equivalence")
    assert row.verdict == "undecided"
    assert "Of 80 comparisons" in row.summary
    assert "8 lie within 10%" in row.summary
    assert "72 are undecided, 72 of them without a value." in row.summary
    assert "supported if all 80 comparisons lay within the margin (now 8)" in row.flips_when


# C6: a metric over the network that the objective was trained on


@pytest.mark.parametrize(
    ("effects", "verdict"),
    [
        ({"perceptual": {"lpips_squeeze": -4.0}}, "supported"),
        ({"perceptual": {"lpips_squeeze": -4.0, "lpips_alex": -4.0}}, "contradicted"),
        ({"perceptual": {"lpips_alex": -4.0}}, "contradicted"),
    ],
)
def test_favor_of_metrics_over_the_trained_network(effects: Mapping[str, Mapping[str, float]], verdict: str) -> None:
    assert row_of("C6", effects).verdict == verdict


def test_favor_is_undecided_where_runs_vary() -> None:
    assert claims(Plan(n_seeds=3, seed_sd=3.0))["C6", "lab"].verdict == "undecided"


def test_favor_is_reported_as_share_of_the_span_and_in_wins() -> None:
    effects = {"perceptual": {"lpips_squeeze": -10.0, "lpips_alex": -2.0, "mae": -2.0}}
    row = claims(Plan(effects=effects, seed_sd=0.01, noise_sd=0.01))["C6", "lab"]
    # Spans 20 and 12, so leads of 50% and 17%.
    assert "under lpips_squeeze, on whose network it was trained" in row.summary
    assert "minus its lead under lpips_alex: +33" in row.summary
    assert "3 of 6 metrics if those over its own network count, and 2 of 5 if they do not" in row.summary
    assert row.evidence[0].startswith(
        "lpips_squeeze (trained on): perceptual is ahead of the mean of l1, l2 and wgan_l2"
    )
    assert row.evidence[1].startswith("lpips_alex (independent)")


@pytest.mark.slow
def test_favor_needs_metrics_over_both_kinds_of_networks() -> None:
    plan = Plan(facts=tuple(facts for facts in FACTS if facts.name != "lpips_alex"))
    row = claims(plan)["C6", "lab"]
    assert row.verdict == "not tested"
    assert "network of the only perceptual metric, lpips_squeeze" in row.summary
    plan = Plan(facts=tuple(facts for facts in FACTS if facts.name != "lpips_squeeze"))
    assert "no metric shares the network" in claims(plan)["C6", "lab"].summary


def test_favor_without_a_grey_baseline_is_undecided() -> None:
    study = make_study(Plan())
    rows = analyze(replace(study, bounds={"truth": study.bounds["truth"]}), FACTS).claims
    row = next(row for row in rows if row.id == "C6")
    assert row.verdict == "undecided"
    assert "there is no span from gray" in row.summary


def test_a_metric_that_shares_the_encoder_is_pointed_out() -> None:
    facts = [
        metric.model_copy(update={"network": "efficientnet_lite0"}) if metric.name == "lpips_alex" else metric
        for metric in FACTS
    ]
    rows = analyze(make_study(Plan()), facts).claims
    row = next(row for row in rows if row.id == "C6")
    assert "lpips_alex shares its network with the encoder" in row.how_far


# C4: color spaces


@pytest.mark.parametrize(
    ("effects", "verdict"),
    [
        ({"lab": {"mae": -2.0}, "rgb": {"psnr": 2.0}}, "supported"),
        ({"lab": BETTER}, "contradicted"),
        ({"lab": {"mae": -2.0}}, "undecided"),
        ({}, "undecided"),
    ],
)
def test_color_spaces(effects: Mapping[str, Mapping[str, float]], verdict: str) -> None:
    plan = Plan(effects=effects, objectives=("l1", "l2"), color_spaces=("lab", "yuv", "rgb"))
    assert claims(plan)["C4", "-"].verdict == verdict


def test_color_spaces_need_two_and_a_shared_seed() -> None:
    assert claims(Plan(n_photos=12))["C4", "-"].verdict == "not tested"
    plan = Plan(objectives=("l1",), color_spaces=("lab", "rgb"), n_seeds=2)
    rows = analyze(without_runs(make_study(plan), "l1-lab-s0", "l1-rgb-s1"), FACTS).claims
    row = next(row for row in rows if row.id == "C4")
    assert (row.verdict, "no objective has finished runs of one seed" in row.summary) == ("not tested", True)


# All claims


def test_every_claim_has_one_verdict_per_color_space() -> None:
    plan = Plan(color_spaces=("lab", "rgb"), n_photos=12)
    keys = [(row.id, row.color_space) for row in analyze(make_study(plan), FACTS).claims]
    expected = {(claim, space) for claim in ("C1", "C2", "C6", "equivalence") for space in ("lab", "rgb")}
    assert set(keys) == expected | {("C3", "-"), ("C4", "-"), ("C5", "-")}
    assert len(keys) == len(set(keys))


@pytest.mark.slow
def test_verdicts_of_color_spaces_are_independent() -> None:
    effects = {f"perceptual/{'lab'}": BETTER, "perceptual/rgb": WORSE}
    found = claims(Plan(effects=effects, color_spaces=("lab", "rgb")))
    assert (found["C1", "lab"].verdict, found["C1", "rgb"].verdict) == ("supported", "contradicted")


def test_claims_that_need_people_are_not_tested() -> None:
    found = claims(Plan(n_photos=12))
    for claim in ("C3", "C5"):
        assert found[claim, "-"].verdict == "not tested"
        assert "needs people" in found[claim, "-"].summary


@pytest.mark.slow
@pytest.mark.parametrize(("n_seeds", "n_photos"), [(2, 40), (1, 40), (5, 9), (1, 1)])
def test_too_few_seeds_or_photos_leave_everything_undecided(n_seeds: int, n_photos: int) -> None:
    plan = Plan(
        effects={"perceptual": BETTER | VIVID, "wgan_l2": VIVID, "lab": BETTER},
        color_spaces=("lab", "rgb"),
        n_seeds=n_seeds,
        n_photos=n_photos,
        seed_sd=0.001,
        noise_sd=0.001,
    )
    for (claim, _), row in claims(plan).items():
        assert row.verdict == ("not tested" if claim in {"C3", "C5"} else "undecided"), row
        if row.verdict == "undecided":
            assert TOO_FEW in row.summary
            assert "3 seeds and 10 photos" in row.how_far


def test_objectives_of_a_user_leave_the_claims_of_the_literature_untested() -> None:
    found = claims(Plan(objectives=("mine", "yours"), effects={"mine": {"mae": 5.0}}))
    for claim in ("C1", "C2", "C6"):
        assert found[claim, "lab"].verdict == "not tested"
        assert "no objective named" in found[claim, "lab"].summary
    assert found["equivalence", "lab"].verdict == "contradicted"


def test_a_study_of_one_objective_compares_nothing() -> None:
    found = claims(Plan(objectives=("l1",)))
    assert found["equivalence", "lab"].verdict == "not tested"
    assert "one objective" in found["equivalence", "lab"].summary


def test_runs_that_are_missing_leave_claims_open() -> None:
    study = make_study(Plan(effects={"perceptual": BETTER}))
    without_rival = without_runs(study, *(f"wgan_l2-lab-s{seed}" for seed in range(5)))
    found = {row.id: row for row in analyze(without_rival, FACTS).claims}
    assert found["C1"].verdict == "undecided"
    assert "No metric has values for all of perceptual, l1, l2 and wgan_l2 yet" in found["C1"].summary
    without_all = without_runs(study, *study.runs)
    assert {row.verdict for row in analyze(without_all, FACTS).claims} <= {"not tested", "undecided"}


def test_the_record_names_the_loss_behind_perceptual() -> None:
    record = study_record(Plan(n_photos=2))
    assert {item.id: item.perceptual for item in record.objectives}["perceptual"] == "lpips_squeeze"


@pytest.mark.slow
def test_claims_are_rarely_decided_where_nothing_is_planted() -> None:
    """At three seeds and no effect, what is false is found in no more than a few studies of sixty."""
    facts = [metric for metric in FACTS if metric.name in PER_PHOTO]
    false = {
        "C1": {"supported", "contradicted"},
        "C2": {"supported", "contradicted"},
        "C6": {"supported"},
        "equivalence": {"contradicted"},
    }
    found = dict.fromkeys(false, 0)
    for number in range(60):
        plan = Plan(n_seeds=3, n_photos=12, seed_sd=1.0, noise_sd=1.0, facts=tuple(facts))
        for row in analyze(make_study(plan, rng_seed=number), facts).claims:
            if row.id in false:
                found[row.id] += row.verdict in false[row.id]
    # C2 makes two families of tests at 5%, C6 one test of 2.5% to its side, the others one family at 5%: the limits
    # leave three standard errors.
    assert found["C1"] <= 8
    assert found["C2"] <= 13
    assert found["C6"] <= 5
    assert found["equivalence"] <= 8


def test_claims_state_what_would_change_their_verdicts() -> None:
    rows = {row.id: row for row in analyze(make_study(Plan(seed_sd=2.0)), FACTS).claims}
    assert rows["C1"].verdict == "undecided"
    n = 5  # of eight metrics, two have no better side and LPIPS-Squeeze does not count
    assert rows["C1"].flips_when == (
        f"It would be supported if perceptual won {n // 2 + 1} of {n} metrics (now 0); contradicted if another "
        f"objective won {n // 2 + 1} of them (now 0), or perceptual were worse than a rival under {n // 2 + 1} (now 0)."
    )
    assert "all 8 comparisons were significantly higher (now 0)" in rows["C2"].flips_when
    assert "one lay beyond it after correction for all of them (now 0)" in rows["equivalence"].flips_when
    assert "(its lower end is -" in rows["C6"].flips_when
    assert rows["C3"].flips_when == ""

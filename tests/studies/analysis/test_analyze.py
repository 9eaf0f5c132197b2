from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.analysis.differences import TOO_FEW
from chromalab.studies.load import LoadedBound, LoadedRun, LoadedStudy, load_study
from chromalab.studies.records import Analysis, DifferenceRow, SetValue, SummaryRow
from tests.studies.synthetic import FACTS, Plan, make_study, without_runs, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

THREE = ("l1", "l2", "perceptual")
PLANTED = Plan(
    objectives=THREE,
    effects={
        "l2": {"psnr": -2.0, "frechet_lite0": 3.0, "colorfulness": 20.0},
        "perceptual": {"mae": -3.0, "colorfulness": 8.0},
    },
)


def summary_row(analysis: Analysis, objective: str, metric: str, space: str = "lab") -> SummaryRow:
    found = [
        row for row in analysis.summary if (row.objective, row.metric, row.color_space) == (objective, metric, space)
    ]
    assert len(found) == 1
    return found[0]


def difference_row(analysis: Analysis, metric: str, first: str, second: str, space: str = "lab") -> DifferenceRow:
    found = [
        row
        for row in analysis.differences
        if (row.metric, row.first, row.second, row.color_space) == (metric, first, second, space)
    ]
    assert len(found) == 1
    return found[0]


def with_values(study: LoadedStudy, run: str, metric: str, values: NDArray[np.float64]) -> LoadedStudy:
    """Return the study with one run's values of a metric replaced."""
    loaded = study.runs[run]
    runs = {**study.runs, run: LoadedRun(loaded.record, {**loaded.photos, metric: values})}
    return replace(study, runs=runs)


def with_set_value(study: LoadedStudy, run: str, metric: str, value: SetValue) -> LoadedStudy:
    loaded = study.runs[run]
    record = loaded.record.model_copy(update={"set_metrics": {**loaded.record.set_metrics, metric: value}})
    return replace(study, runs={**study.runs, run: LoadedRun(record, loaded.photos)})


@pytest.fixture(scope="module")
def planted() -> Analysis:
    return analyze(make_study(PLANTED), FACTS)


def test_every_objective_space_metric_and_bound_has_its_row() -> None:
    study = make_study(replace(PLANTED, color_spaces=("lab", "rgb"), n_photos=12))
    analysis = analyze(study, FACTS)
    cells = {(row.objective, row.color_space, row.metric) for row in analysis.summary}
    objectives = {(name, space, facts.name) for name in THREE for space in ("lab", "rgb") for facts in FACTS}
    bounds = {(name, "-", facts.name) for name in ("grey", "truth") for facts in FACTS}
    assert cells == objectives | bounds
    assert len(analysis.summary) == len(cells)
    assert len(analysis.differences) == 3 * 2 * len(FACTS)


def test_means_and_planted_differences(planted: Analysis) -> None:
    study = make_study(PLANTED)
    values = np.array([study.runs[f"perceptual-lab-s{seed}"].photos["mae"] for seed in range(5)])
    row = summary_row(planted, "perceptual", "mae")
    assert row.mean == pytest.approx(values.mean())
    assert row.seed_means == pytest.approx(values.mean(axis=1).tolist())
    assert (row.n_seeds, row.n_photos, row.reason) == (5, 40, None)
    difference = difference_row(planted, "mae", "l1", "perceptual")
    assert difference.ci_low is not None
    assert difference.ci_high is not None
    assert difference.ci_low < 3.0 < difference.ci_high
    assert difference.winner == "perceptual"
    assert difference.equivalent == "contradicted"


def test_the_higher_and_the_lower_side_win(planted: Analysis) -> None:
    assert difference_row(planted, "psnr", "l1", "l2").winner == "l1"
    assert difference_row(planted, "frechet_lite0", "l1", "l2").winner == "l1"
    assert difference_row(planted, "psnr", "l1", "perceptual").winner is None


def test_closer_to_the_truth_wins(planted: Analysis) -> None:
    # The truth has 40, l1 30, perceptual 38, l2 50: l1 and l2 are 10 away on either side.
    assert difference_row(planted, "colorfulness", "l1", "perceptual").winner == "perceptual"
    assert difference_row(planted, "colorfulness", "l2", "perceptual").winner == "perceptual"
    straddling = difference_row(planted, "colorfulness", "l1", "l2")
    assert straddling.p_holm is not None
    assert straddling.p_holm < 0.001
    assert straddling.winner is None
    assert straddling.reason is not None
    assert "not clear" in straddling.reason


def test_without_the_truth_nothing_is_closer() -> None:
    study = make_study(PLANTED)
    analysis = analyze(replace(study, bounds={"grey": study.bounds["grey"]}), FACTS)
    rows = [row for row in analysis.differences if row.metric == "colorfulness"]
    assert {row.winner for row in rows} == {None}
    assert not any(row.best for row in analysis.summary if row.metric == "colorfulness")


def test_the_best_mean_and_all_that_it_does_not_beat_are_marked(planted: Analysis) -> None:
    def best(metric: str) -> set[str]:
        return {row.objective for row in planted.summary if row.metric == metric and row.best}

    assert best("mae") == {"perceptual"}
    assert best("psnr") == {"l1", "perceptual"}
    assert best("colorfulness") == {"perceptual"}
    assert best("chroma") == {"l1", "l2", "perceptual"}


def test_holm_is_within_a_metric_and_color_space(planted: Analysis) -> None:
    rows = [row for row in planted.differences if row.metric == "ssim"]
    p = sorted(row.p for row in rows if row.p is not None)
    corrected = sorted(row.p_holm for row in rows if row.p_holm is not None)
    second = max(3 * p[0], 2 * p[1])
    expected = [3 * p[0], second, max(second, p[2])]
    assert corrected == pytest.approx([min(1.0, value) for value in expected])


def test_span_and_seed_spread(planted: Analysis) -> None:
    row = difference_row(planted, "mae", "l1", "l2")
    grey, best = (summary_row(planted, name, "mae", space) for name, space in (("grey", "-"), ("perceptual", "lab")))
    assert grey.mean is not None
    assert best.mean is not None
    assert row.span == pytest.approx(abs(grey.mean - best.mean))
    means = [summary_row(planted, name, "mae").seed_means for name in ("l1", "l2")]
    assert row.seed_sd == pytest.approx(np.sqrt(np.mean([np.var(values, ddof=1) for values in means])))


@pytest.mark.parametrize(
    ("changes", "clear"), [({}, True), ({"n_seeds": 1}, False), ({"seed_sd": 5.0, "n_seeds": 3}, False)]
)
def test_percentages_need_a_span_that_is_clear_beside_its_noise(changes: dict[str, Any], *, clear: bool) -> None:
    analysis = analyze(make_study(replace(PLANTED, noise_sd=0.01, **{"seed_sd": 0.01, **changes})), FACTS)
    assert difference_row(analysis, "mae", "l1", "l2").is_span_clear is clear
    equivalence = next(claim for claim in analysis.claims if claim.id == "equivalence")
    (line,) = [line for line in equivalence.evidence if line.startswith("mae: l1 - l2 ")]
    assert ("% of the span" in line) is clear
    if not clear:
        assert "not clear beside its noise" in equivalence.how_far


def test_small_differences_are_shown_to_be_small() -> None:
    study = make_study(Plan(objectives=THREE, n_photos=100, seed_sd=0.02, noise_sd=0.1))
    verdicts = {row.equivalent for row in analyze(study, FACTS).differences}
    assert verdicts == {"supported"}


def test_noisy_differences_are_undecided_with_a_detectable_difference() -> None:
    study = make_study(Plan(objectives=THREE, n_seeds=3, seed_sd=3.0))
    for row in analyze(study, FACTS).differences:
        assert (row.equivalent, row.winner) == ("undecided", None)
        assert row.detectable is not None
        assert row.detectable > 3.0


@pytest.mark.parametrize(("n_seeds", "n_photos"), [(2, 40), (5, 9), (1, 40)])
def test_too_few_seeds_or_photos_give_intervals_and_no_verdict(n_seeds: int, n_photos: int) -> None:
    plan = replace(PLANTED, n_seeds=n_seeds, n_photos=n_photos, seed_sd=0.001, noise_sd=0.001)
    analysis = analyze(make_study(plan), FACTS)
    for row in analysis.differences:
        assert (row.winner, row.equivalent) == (None, "undecided")
        assert row.reason is not None
        assert TOO_FEW in row.reason
        assert row.ci_low is not None
    assert all(row.ci_low is not None for row in analysis.summary if row.metric == "mae")
    # The best mean alone is marked.
    assert sum(row.best for row in analysis.summary if row.metric == "mae") == 1


def test_three_seeds_and_ten_photos_are_enough() -> None:
    plan = replace(PLANTED, n_seeds=3, n_photos=10, seed_sd=0.001, noise_sd=0.001)
    assert difference_row(analyze(make_study(plan), FACTS), "mae", "l1", "perceptual").winner == "perceptual"


def test_one_seed_is_tested_over_photographs() -> None:
    study = make_study(replace(PLANTED, n_seeds=1))
    row = summary_row(analyze(study, FACTS), "l1", "mae")
    expected = stats.ttest_1samp(study.runs["l1-lab-s0"].photos["mae"], 0.0).confidence_interval(0.95)
    assert (row.ci_low, row.ci_high) == pytest.approx((expected.low, expected.high))
    assert row.reason is not None
    assert "one seed" in row.reason


def test_one_seed_and_one_photo_have_a_mean_and_no_interval() -> None:
    analysis = analyze(make_study(replace(PLANTED, n_seeds=1, n_photos=1)), FACTS)
    row = summary_row(analysis, "l1", "mae")
    assert row.mean is not None
    assert row.ci_low is None
    assert row.reason == "a single value has no interval"
    assert difference_row(analysis, "mae", "l1", "l2").p is None


def test_differences_use_the_seeds_that_all_have_and_means_their_own() -> None:
    study = make_study(PLANTED)
    analysis = analyze(without_runs(study, "l2-lab-s1", "perceptual-lab-s4"), FACTS)
    assert analysis.missing_runs == ["l2-lab-s1", "perceptual-lab-s4"]
    assert summary_row(analysis, "l1", "mae").n_seeds == 5
    assert summary_row(analysis, "l2", "mae").n_seeds == 4
    row = difference_row(analysis, "mae", "l1", "l2")
    seeds = (0, 2, 3)
    expected = [
        study.runs[f"l1-lab-s{seed}"].photos["mae"] - study.runs[f"l2-lab-s{seed}"].photos["mae"] for seed in seeds
    ]
    assert row.n_seeds == 3
    assert row.mean == pytest.approx(np.mean(expected))
    assert row.reason == "left out seed 1, 4: not finished for every objective"


def test_an_objective_without_finished_runs_does_not_keep_the_others_from_being_compared() -> None:
    analysis = analyze(without_runs(make_study(PLANTED), *(f"l2-lab-s{seed}" for seed in range(5))), FACTS)
    assert difference_row(analysis, "mae", "l1", "perceptual").winner == "perceptual"
    absent = difference_row(analysis, "mae", "l1", "l2")
    assert (absent.mean, absent.p, absent.reason) == (None, None, "l2: no run is finished")
    assert summary_row(analysis, "l2", "mae").reason == "no run is finished"


def test_no_shared_seed_is_given_as_reason() -> None:
    study = make_study(replace(PLANTED, n_seeds=2, objectives=("l1", "l2")))
    analysis = analyze(without_runs(study, "l1-lab-s0", "l2-lab-s1"), FACTS)
    row = difference_row(analysis, "mae", "l1", "l2")
    assert (row.mean, row.reason) == (None, "no seed is finished for every objective")
    assert summary_row(analysis, "l1", "mae").n_seeds == 1


def test_an_empty_study_is_analyzed() -> None:
    study = make_study(PLANTED)
    analysis = analyze(without_runs(study, *study.runs), FACTS)
    assert (analysis.summary, analysis.differences, analysis.metrics) == ([], [], [])
    assert len(analysis.missing_runs) == 15


def test_infinite_and_missing_values_leave_a_photo_out_for_all() -> None:
    study = make_study(PLANTED)
    values = study.runs["l1-lab-s0"].photos["psnr"].copy()
    values[3], values[7] = np.inf, np.nan
    study = with_values(study, "l1-lab-s0", "psnr", values)
    analysis = analyze(study, FACTS)
    kept = [index for index in range(40) if index not in {3, 7}]
    for objective in THREE:
        row = summary_row(analysis, objective, "psnr")
        expected = [study.runs[f"{objective}-lab-s{seed}"].photos["psnr"][kept] for seed in range(5)]
        assert row.mean == pytest.approx(np.mean(expected))
        assert row.n_photos == 38
        assert row.reason is not None
        assert row.reason.startswith("left out 2 of 40 photos")
    assert difference_row(analysis, "psnr", "l1", "l2").n_photos == 38
    assert summary_row(analysis, "l1", "mae").n_photos == 40


def test_a_metric_that_one_run_lacks_leaves_out_its_seed() -> None:
    study = with_values(make_study(PLANTED), "l1-lab-s0", "psnr", np.full(40, np.nan))
    analysis = analyze(study, FACTS)
    assert summary_row(analysis, "l1", "psnr").n_seeds == 4
    assert difference_row(analysis, "psnr", "l2", "perceptual").n_seeds == 4
    assert difference_row(analysis, "mae", "l1", "l2").n_seeds == 5


def test_perfect_copies_have_no_finite_psnr() -> None:
    study = make_study(replace(PLANTED, n_seeds=1))
    analysis = analyze(with_values(study, "l1-lab-s0", "psnr", np.full(40, np.inf)), FACTS)
    row = summary_row(analysis, "l1", "psnr")
    assert row.mean is None
    assert row.reason is not None


def test_bounds_belong_to_every_color_space(planted: Analysis) -> None:
    truth, grey = summary_row(planted, "truth", "psnr", "-"), summary_row(planted, "grey", "psnr", "-")
    assert truth.mean == np.inf
    assert (truth.ci_low, truth.n_seeds, truth.n_photos) == (None, 0, 40)
    assert truth.reason == "infinite for every photo: a perfect copy"
    assert grey.ci_low is not None
    assert grey.ci_high is not None
    assert grey.ci_low < 20.0 < grey.ci_high
    assert (grey.n_seeds, grey.best, grey.seed_means) == (0, False, [])
    exact = summary_row(planted, "truth", "mae", "-")
    assert (exact.mean, exact.ci_low, exact.ci_high) == (0.0, 0.0, 0.0)


def test_a_bound_without_a_metric_has_a_reason() -> None:
    study = make_study(PLANTED)
    grey = study.bounds["grey"]
    photos = {name: values for name, values in grey.photos.items() if name != "mae"}
    record = grey.record.model_copy(update={"set_metrics": {}, "unavailable": {"frechet_lite0": "too few photos"}})
    analysis = analyze(replace(study, bounds={"grey": LoadedBound(record, photos)}), FACTS)
    assert summary_row(analysis, "grey", "mae", "-").reason == "not measured for this bound"
    assert summary_row(analysis, "grey", "frechet_lite0", "-").reason == "too few photos"
    row = difference_row(analysis, "mae", "l1", "perceptual")
    assert (row.span, row.equivalent, row.winner) == (None, "undecided", "perceptual")


def test_set_metrics_without_value_or_replicates() -> None:
    study = make_study(replace(PLANTED, objectives=("l1", "l2")))
    for seed in range(5):
        study = with_set_value(
            study, f"l1-lab-s{seed}", "frechet_lite0", SetValue(value=5.0 + seed, n=40, reason="compare at equal n")
        )
    row = summary_row(analyze(study, FACTS), "l1", "frechet_lite0")
    expected = stats.ttest_1samp([5.0, 6.0, 7.0, 8.0, 9.0], 0.0).confidence_interval(0.95)
    assert (row.ci_low, row.ci_high) == pytest.approx((expected.low, expected.high))
    assert row.reason == "compare at equal n"
    for seed in range(5):
        study = with_set_value(study, f"l1-lab-s{seed}", "frechet_lite0", SetValue(value=None, n=40, reason="too few"))
    analysis = analyze(study, FACTS)
    assert summary_row(analysis, "l1", "frechet_lite0").reason == "too few"
    assert summary_row(analysis, "l2", "frechet_lite0").mean is not None
    assert difference_row(analysis, "frechet_lite0", "l1", "l2").reason == "l1: too few"


def test_metrics_that_are_unknown_or_nowhere_measured_are_named() -> None:
    study = make_study(PLANTED)
    record = study.runs["l1-lab-s0"].record.model_copy(update={"unavailable": {"lpips_vgg": "no weights"}})
    runs = {**study.runs, "l1-lab-s0": LoadedRun(record, study.runs["l1-lab-s0"].photos)}
    analysis = analyze(replace(study, runs=runs), [facts for facts in FACTS if facts.name != "ssim"])
    assert analysis.unavailable["lpips_vgg"] == "no weights"
    assert "does not know it" in analysis.unavailable["ssim"]
    assert "ssim" not in {row.metric for row in analysis.summary}


def test_an_analysis_survives_its_file_and_a_study_its_folder(tmp_path: Path) -> None:
    study = make_study(replace(PLANTED, n_seeds=2, n_photos=12))
    analysis = analyze(study, FACTS)
    analysis.save(tmp_path / "analysis.json")
    assert Analysis.load(tmp_path / "analysis.json") == analysis
    assert analyze(load_study(write_study(study, tmp_path / "study")), FACTS) == analysis


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is_planted() -> None:
    """Family-wise errors: in 5% of (metric, study) at most any winner, with 3 standard errors to spare.

    Four per-photo metrics of 100 studies without effects: 400 families of 3 comparisons, 3 seeds and 12 photographs.
    """
    facts = FACTS[:4]
    wrong = families = 0
    for number in range(100):
        plan = Plan(objectives=THREE, n_seeds=3, n_photos=12, seed_sd=0.3, noise_sd=1.0, facts=tuple(facts))
        rows = analyze(make_study(plan, rng_seed=number), facts).differences
        for metric in facts:
            families += 1
            wrong += any(row.winner is not None for row in rows if row.metric == metric.name)
    assert families == 400
    assert wrong / families < 0.05 + 3 * np.sqrt(0.05 * 0.95 / families)

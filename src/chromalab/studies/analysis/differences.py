"""Paired comparisons of the objectives of a study, under one metric and in one color space.

Two objectives of one seed start from the same weights and see the same crops, and all are measured on the same photos.
Differences are therefore taken seed by seed and photo by photo before anything is averaged:

- A photo counts under a metric if every finished run gave it a finite value. All other photos are left out for all
  objectives, so that all means are over the same photos.
- A difference uses the seeds that are finished for every objective that has any finished run. The mean of one objective
  uses all its own seeds.

The test is `chromalab.evaluation.paired_tests.PairedTest`. The verdict on "no practical difference" is

- `supported`: the 90% interval lies within +-10% of the span from the gray baseline to the best objective (two
  one-sided tests at 5%).
- `contradicted`: the difference is significant after Holm's correction, and its 95% interval lies wholly outside.
- `undecided` otherwise.

With fewer than 3 seeds or 10 photos there is no verdict.

A difference is given in percent of the span only if the span is clear: the lower end of its 95% interval is at least
three standard deviations of the best objective's seed means. With one seed this is unknown, so no percentage is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from chromalab.evaluation.paired_tests import ALPHA, LEVEL, TOWARD_BETTER, PairedTest, corrected
from chromalab.evaluation.samples import PhotoSample, Sample, combine_samples, is_finite, set_sample, shared_seeds
from chromalab.stats.significance import detectable_difference, is_equivalent
from chromalab.studies.records import DifferenceRow, Verdict, run_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from chromalab.stats.intervals import Estimate
    from chromalab.studies.load import LoadedRun, LoadedStudy
    from chromalab.studies.records import MetricFacts


@dataclass(frozen=True)
class Measured:
    """The samples of one metric in one color space.

    Attributes:
        facts: the metric.
        color_space: the color space.
        samples: the sample of every objective that has a value, on all its own seeds.
        bounds: `grey` and `truth` on the same photos, if they have a value.
        seeds: the seeds on which objectives are compared.
        photos_left_out: note on the photos that are left out for all objectives, or None.
        seeds_left_out: note on the seeds that comparisons leave out, or None.
        reasons: by objective, why it has no value, or a caveat.
    """

    facts: MetricFacts
    color_space: str
    samples: Mapping[str, Sample]
    bounds: Mapping[str, Sample]
    seeds: tuple[int, ...]
    photos_left_out: str | None
    seeds_left_out: str | None
    reasons: Mapping[str, str]

    def paired(self, weights: Mapping[str, float], *, truth: float = 0.0) -> Sample | None:
        """Return a weighted sum of objectives, plus `truth` times the ground truth, over the shared seeds and photos.

        None if an objective or the ground truth has no value, or no seed is shared.
        """
        if not self.seeds or not set(weights) <= set(self.samples) or (truth and "truth" not in self.bounds):
            return None
        terms = [(weight, self.samples[name].over(self.seeds)) for name, weight in weights.items()]
        if truth:
            terms.append((truth, self.bounds["truth"]))
        return combine_samples(terms)

    def mean(self, name: str) -> float | None:
        """Return the mean of an objective over the shared seeds, or of a bound; None if it has no value."""
        sample = self.paired({name: 1.0}) if name in self.samples else self.bounds.get(name)
        return None if sample is None or sample.seed_values.size == 0 else float(sample.seed_values.mean())

    @cached_property
    def best(self) -> str | None:
        """The objective with the best mean on the shared seeds and photos."""
        means = {name: mean for name in self.samples if (mean := self.mean(name)) is not None}
        return best_of(means, self.facts.direction, self.mean("truth"))

    @cached_property
    def span(self) -> float | None:
        """Distance from the gray baseline to the best objective: the gain from training, in the metric's unit."""
        grey, best = self.mean("grey"), self.best
        best_mean = None if best is None else self.mean(best)
        return None if grey is None or best_mean is None else abs(grey - best_mean)

    @cached_property
    def is_span_clear(self) -> bool:
        """Whether the span is large enough beside its noise for differences to be given in percent of it."""
        best = None if self.best is None or "grey" not in self.bounds else self.paired({self.best: 1.0})
        if best is None or best.seed_values.size < 2:
            return False
        gain = combine_samples([(1.0, best), (-1.0, self.bounds["grey"])])
        estimate = None if gain is None else gain.estimate()
        if estimate is None:
            return False
        interval = estimate.interval(LEVEL)
        lower_end = max(interval.low, -interval.high)  # a span is a distance, whatever the direction of the metric
        return lower_end > 0 and lower_end >= CLEAR_SEED_SDS * float(best.seed_values.std(ddof=1))

    @property
    def toward_better(self) -> int:
        """+1 if higher is better, -1 if lower is better, 0 if closer to the ground truth is better."""
        return TOWARD_BETTER[self.facts.direction]


def best_of(means: Mapping[str, float], direction: str, truth: float | None) -> str | None:
    """Return the name with the best mean; None without means, or without the truth that a `closer` metric needs.

    >>> best_of({"l1": 20.0, "l2": 30.0}, "closer", 27.0)
    'l2'
    """
    if not means or (direction == "closer" and truth is None):
        return None
    if direction == "higher":
        return max(means, key=lambda name: means[name])
    if direction == "lower" or truth is None:
        return min(means, key=lambda name: means[name])
    return min(means, key=lambda name: abs(means[name] - truth))


def measure(study: LoadedStudy, facts: MetricFacts, color_space: str) -> Measured:
    """Collect the values of the finished runs of one color space under one metric."""
    runs = {
        objective.id: {
            seed: study.runs[name]
            for seed in study.record.seeds
            if (name := run_id(objective.id, color_space, seed)) in study.runs
        }
        for objective in study.record.objectives
    }
    samples, bounds, photos_left_out = (_photo_samples if facts.per_photo else _set_samples)(study, facts.name, runs)
    seeds = shared_seeds(list(samples.values()))
    absent = [str(seed) for seed in study.record.seeds if seed not in seeds]
    return Measured(
        facts=facts,
        color_space=color_space,
        samples=samples,
        bounds=bounds,
        seeds=seeds,
        photos_left_out=photos_left_out,
        seeds_left_out=f"left out seed {', '.join(absent)}: not finished for every objective" if absent else None,
        reasons=_reasons(runs, samples, facts),
    )


def _photo_samples(
    study: LoadedStudy, metric: str, runs: Mapping[str, Mapping[int, LoadedRun]]
) -> tuple[dict[str, Sample], dict[str, Sample], str | None]:
    tables = {
        objective: {seed: run.photos[metric] for seed, run in by_seed.items() if _has_value(run.photos.get(metric))}
        for objective, by_seed in runs.items()
    }
    tables = {objective: rows for objective, rows in tables.items() if rows}
    if not tables:
        return {}, {}, None
    everything = np.array([row for rows in tables.values() for row in rows.values()])
    kept = np.isfinite(everything).all(axis=0)
    samples: dict[str, Sample] = {
        objective: PhotoSample(tuple(rows), np.where(kept, np.array(list(rows.values())), np.nan))
        for objective, rows in tables.items()
        if kept.any()
    }
    bounds: dict[str, Sample] = {
        name: sample
        for name, bound in study.bounds.items()
        if metric in bound.photos and (sample := _photo_bound(bound.photos[metric], kept)).n_photos
    }
    left_out = int(kept.size - kept.sum())
    notes = f"left out {left_out} of {kept.size} photos: no finite value in every run" if left_out else None
    return samples, bounds, notes


def _photo_bound(values: NDArray[np.float64], kept: NDArray[np.bool_]) -> PhotoSample:
    return PhotoSample((), np.where(kept & np.isfinite(values), values, np.nan)[np.newaxis])


def _has_value(values: NDArray[np.float64] | None) -> bool:
    return values is not None and not bool(np.isnan(values).all())


def _set_samples(
    study: LoadedStudy, metric: str, runs: Mapping[str, Mapping[int, LoadedRun]]
) -> tuple[dict[str, Sample], dict[str, Sample], str | None]:
    samples: dict[str, Sample] = {}
    for objective, by_seed in runs.items():
        values = {seed: run.record.set_metrics.get(metric) for seed, run in by_seed.items()}
        usable = {seed: value for seed, value in values.items() if value is not None and is_finite(value.value)}
        if usable:
            samples[objective] = set_sample(tuple(usable), list(usable.values()))
    bounds: dict[str, Sample] = {
        name: set_sample((), [value])
        for name, bound in study.bounds.items()
        if (value := bound.record.set_metrics.get(metric)) is not None and is_finite(value.value)
    }
    return samples, bounds, None


def _reasons(
    runs: Mapping[str, Mapping[int, LoadedRun]], samples: Mapping[str, Sample], facts: MetricFacts
) -> dict[str, str]:
    """Return the reason for every objective without a value, and the caveats of set metrics."""
    reasons: dict[str, str] = {}
    for objective, by_seed in runs.items():
        notes = [reason for run in by_seed.values() if (reason := _reason_of(run, facts.name))]
        if notes:
            reasons[objective] = notes[0]
        elif objective not in samples:
            reasons[objective] = "no usable value in its finished runs" if by_seed else "no run is finished"
    return reasons


def _reason_of(run: LoadedRun, metric: str) -> str | None:
    value = run.record.set_metrics.get(metric)
    return value.reason if value is not None and value.reason else run.record.unavailable.get(metric)


MIN_SEEDS = 3
MIN_PHOTOS = 10
MARGIN = 0.1
CLEAR_SEED_SDS = 3.0
POWER = 0.8
TOO_FEW = "too few seeds or photos"
ONE_SEED = "one seed: the interval does not cover the variation between seeds"
NO_INTERVAL = "a single value has no interval"


def enough(n_seeds: int, n_photos: int) -> bool:
    """Return whether there are enough seeds and photos for a verdict."""
    return n_seeds >= MIN_SEEDS and n_photos >= MIN_PHOTOS


def difference_rows(measured: Measured, objectives: Sequence[str]) -> list[DifferenceRow]:
    """Compare every pair of objectives in the order given, with Holm's correction over all pairs."""
    tests = corrected([_test(measured, first, second) for first, second in combinations(objectives, 2)])
    n_tests = sum(test.difference is not None for test in tests)
    return [_row(measured, test, n_tests=n_tests) for test in tests]


def _test(measured: Measured, first: str, second: str) -> PairedTest:
    return PairedTest(
        first=first,
        second=second,
        sample=measured.paired({first: 1.0, second: -1.0}),
        toward_better=measured.toward_better,
        midpoint=None if measured.toward_better else measured.paired({first: 0.5, second: 0.5}, truth=-1.0),
    )


def _row(measured: Measured, test: PairedTest, *, n_tests: int) -> DifferenceRow:
    sample, difference, span = test.sample, test.difference, measured.span
    interval = None if difference is None else difference.interval(LEVEL)
    n_seeds, n_photos = (0, 0) if sample is None else (len(sample.seeds), sample.n_photos)
    decidable = difference is not None and enough(n_seeds, n_photos)
    won = decidable and test.is_decided
    return DifferenceRow(
        metric=measured.facts.name,
        color_space=measured.color_space,
        first=test.first,
        second=test.second,
        mean=None if sample is None or not sample.seed_values.size else float(sample.seed_values.mean()),
        ci_low=None if interval is None else interval.low,
        ci_high=None if interval is None else interval.high,
        p=None if interval is None else interval.p,
        p_holm=test.p_holm,
        winner=test.better if won else None,
        equivalent=_equivalence(difference, span, test.p_holm) if decidable else "undecided",
        span=span,
        is_span_clear=measured.is_span_clear,
        seed_sd=_seed_spread(measured, test),
        detectable=None
        if difference is None
        else detectable_difference(difference, alpha=ALPHA / n_tests, power=POWER),
        n_photos=n_photos,
        n_seeds=n_seeds,
        reason=_reason(measured, test, decidable=decidable, unclear=not won and (test.p_holm or 1.0) < ALPHA),
    )


def _equivalence(difference: Estimate | None, span: float | None, p_holm: float | None) -> Verdict:
    """Return the verdict on "no practical difference"."""
    if difference is None or not span:
        return "undecided"
    margin = MARGIN * span
    if is_equivalent(difference, margin, alpha=ALPHA):
        return "supported"
    interval = difference.interval(LEVEL)
    outside = interval.low > margin or interval.high < -margin
    return "contradicted" if outside and p_holm is not None and p_holm < ALPHA else "undecided"


def _seed_spread(measured: Measured, test: PairedTest) -> float | None:
    """Return the pooled standard deviation of the two objectives' seed means; None with one seed."""
    if test.sample is None or len(test.sample.seeds) < 2:
        return None
    samples = [measured.paired({name: 1.0}) for name in (test.first, test.second)]
    variances = [sample.seed_values.var(ddof=1) for sample in samples if sample is not None and sample.seed_values.size]
    return float(np.sqrt(np.mean(variances))) if variances else None


def _reason(measured: Measured, test: PairedTest, *, decidable: bool, unclear: bool) -> str | None:
    """Return why there is no verdict or no interval, and which photos or seeds are left out."""
    notes = [text for text in (measured.photos_left_out, measured.seeds_left_out) if text]
    if test.sample is None:
        absent = [name for name in (test.first, test.second) if name not in measured.samples]
        why = [f"{name}: {measured.reasons.get(name, 'no value')}" for name in absent]
        notes = why or ["no seed is finished for every objective"]
    elif test.difference is None:
        notes.append(NO_INTERVAL)
    elif not decidable:
        notes.append(TOO_FEW)
    elif not measured.span:
        notes.append("there is no span from gray to the best objective to compare with")
    elif unclear and test.closer:
        notes.append("they differ, but it is not clear which of the two is closer to the truth")
    elif test.difference.n_seeds == 1:
        notes.append(ONE_SEED)
    return "; ".join(notes) or None

"""What an evaluation leaves on disk: numbers with their uncertainty, and everything that decided them."""

from __future__ import annotations

from pydantic import FiniteFloat

from chromalab.core.records import Record
from chromalab.metrics.facts import MetricFacts

SCHEMA_VERSION = 2
PROTOCOL = "chromalab-v1"
"""The protocol that is used where none is named, and by the runs of studies."""


class MetricSummary(Record):
    """One metric over all photos that have it. Its numbers are finite, so the record is strict JSON.

    Attributes:
        mean: mean over photos, or the value of a set metric; None where there is none.
        ci_low: lower end of the 95% interval over photos (Student's t; jackknife for a set metric).
        ci_high: upper end.
        truth: the mean of the true photographs' own values, for metrics where closer to it is better.
        n: number of photos behind the mean.
        reason: why there is no mean or no interval, or a caveat.
    """

    mean: FiniteFloat | None
    ci_low: FiniteFloat | None = None
    ci_high: FiniteFloat | None = None
    truth: FiniteFloat | None = None
    n: int
    reason: str | None = None


class SkippedPair(Record):
    """A photo that could not be judged, by its name, with the reason."""

    name: str
    reason: str


class EvaluationRecord(Record):
    """The result of one folder of predictions.

    Attributes:
        protocol: name of the rules.
        protocol_sha256: hash of the rules.
        metrics: every metric of the registry, in its order.
        bounds: the same of `grey` and `truth`, where they were asked for.
        versions: version of chromalab, and of the libraries whose rounding may show in the digits.
        weights: SHA-256 of the networks behind the metrics, by name.
        targets_sha256: hash of names, sizes and bytes' lengths of the true photographs' files, where there are any.
        grey: the folder of gray photographs that were colorized, as it was named.
        real: the folder of true photographs that sets were compared with, where it is not the targets'.
        n_photos: number of predictions that were judged.
        skipped: photos that could not be judged.
        notes: what a reader must know of the files, as images in gray, with transparency or of 16 bits.
        unmatched_preds: predictions without a target, relative to their folder.
        unmatched_targets: targets without a prediction, relative to their folder.
    """

    schema_version: int = SCHEMA_VERSION
    protocol: str = PROTOCOL
    protocol_sha256: str = ""
    metrics: dict[str, MetricSummary]
    bounds: dict[str, dict[str, MetricSummary]] = {}
    versions: dict[str, str]
    weights: dict[str, str]
    targets_sha256: str | None = None
    grey: str | None = None
    real: str | None = None
    n_photos: int
    skipped: list[SkippedPair] = []
    notes: list[str] = []
    unmatched_preds: list[str] = []
    unmatched_targets: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether every prediction was judged."""
        return not self.skipped and not self.unmatched_preds


class PairedDifference(Record):
    """A paired comparison of two methods under one metric: `first - second` over the photos that both have.

    Attributes:
        metric: the metric's name.
        first: a method.
        second: another.
        mean: mean difference; of metrics where closer to the truth is better, of the distances from the truth.
        ci_low: lower end of the 95% interval over photos.
        ci_high: upper end.
        p: two-sided p value of the same test.
        p_holm: p after Holm's correction over all pairs of methods within this metric.
        winner: the better method after correction, or None.
        n: number of photos.
        reason: why there is no comparison.
    """

    metric: str
    first: str
    second: str
    mean: FiniteFloat | None = None
    ci_low: FiniteFloat | None = None
    ci_high: FiniteFloat | None = None
    p: FiniteFloat | None = None
    p_holm: FiniteFloat | None = None
    winner: str | None = None
    n: int
    reason: str | None = None


class MethodRecord(Record):
    """What one method, or a bound, came to.

    Attributes:
        name: its name.
        folder: its folder, as it was named; None for a bound.
        is_bound: it is `grey` or `truth`, made of the true photographs.
        metrics: every metric of the registry, in its order.
        n_photos: photos that were judged.
        unmatched_preds: files without a counterpart, relative to the folder.
    """

    name: str
    folder: str | None
    is_bound: bool = False
    metrics: dict[str, MetricSummary]
    n_photos: int
    unmatched_preds: list[str] = []


class ComparisonRecord(Record):
    """Several methods on the same photographs, under the same rules.

    Attributes:
        protocol: name of the rules.
        protocol_sha256: hash of the rules.
        targets_sha256: as in `EvaluationRecord`.
        target: the folder of true photographs, as it was named.
        grey: as in `EvaluationRecord`.
        real: as in `EvaluationRecord`.
        methods: the methods; of the bounds `grey` comes first and `truth` last.
        differences: every pair of methods under every metric, bounds left out.
        metrics: facts of the metrics, in the order of tables.
        n_photos: photos that every method has; only those are compared.
        left_out: photos that some method lacks or that could not be judged, with the reason.
        notes: as in `EvaluationRecord`.
        unmatched_targets: targets that no method has.
        versions: as in `EvaluationRecord`.
        weights: as in `EvaluationRecord`.
    """

    schema_version: int = SCHEMA_VERSION
    protocol: str
    protocol_sha256: str
    targets_sha256: str | None = None
    target: str | None = None
    grey: str | None = None
    real: str | None = None
    methods: list[MethodRecord]
    differences: list[PairedDifference]
    metrics: list[MetricFacts]
    n_photos: int
    left_out: list[SkippedPair] = []
    notes: list[str] = []
    unmatched_targets: list[str] = []
    versions: dict[str, str]
    weights: dict[str, str]

    @property
    def is_complete(self) -> bool:
        """Whether every prediction was judged."""
        return not self.left_out and not any(method.unmatched_preds for method in self.methods)

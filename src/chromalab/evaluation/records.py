"""Records of evaluations: scores with their uncertainty, and everything that determined them."""

from __future__ import annotations

from pydantic import FiniteFloat

from chromalab.core.records import Record
from chromalab.metrics.facts import MetricFacts

SCHEMA_VERSION = 2
PROTOCOL = "chromalab-v1"
"""The default protocol, and that of the runs of studies."""

PREDICTIONS = "predictions"
"""Name of the method if a single folder is evaluated."""

TARGET, GREY = "target", "grey"
"""Roles of the files beside the predictions."""

BOUNDS = GREY_BOUND, TRUTH_BOUND = "grey", "truth"
"""The gray baseline and the ground truth, which are scored like methods."""


class MetricSummary(Record):
    """One metric over all photos that have a value. All numbers are finite, so the record is strict JSON.

    Attributes:
        mean: mean over photos, or the value of a set metric; None without a value.
        ci_low: lower end of the 95% interval over photos (Student's t; jackknife for a set metric).
        ci_high: upper end.
        truth: the mean of the ground truth's own values, for metrics that are better if closer to it.
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
    """A photo that could not be scored, with the reason."""

    name: str
    reason: str


class EvaluationRecord(Record):
    """The result of one folder of predictions.

    Attributes:
        protocol: name of the protocol.
        protocol_sha256: hash of its rules.
        metrics: every metric of the registry, in its order.
        bounds: the same for `grey` and `truth`, if they were scored.
        versions: versions of chromalab and of libraries whose rounding can affect the digits.
        weights: SHA-256 of the networks behind the metrics, by name.
        targets_sha256: hash of the names and file sizes of the true photos, if any.
        grey: the folder of gray photos that were colorized, as given.
        grey_sha256: hash of the names and file sizes of these photos; None in older records.
        labels_sha256: hash of the photos' classes, if any; None in older records.
        scored_sha256: hash of the names of the photos that were scored; None in older records.
        real: the folder of true photos that sets were compared with, if it is not that of the targets.
        n_photos: number of predictions that were scored.
        skipped: photos that could not be scored.
        notes: notes on the files, such as gray, transparent or 16-bit images.
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
    grey_sha256: str | None = None
    labels_sha256: str | None = None
    scored_sha256: str | None = None
    real: str | None = None
    n_photos: int
    skipped: list[SkippedPair] = []
    notes: list[str] = []
    unmatched_preds: list[str] = []
    unmatched_targets: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether every prediction was scored."""
        return not self.skipped and not self.unmatched_preds


class PairedDifference(Record):
    """A paired comparison of two methods under one metric: `first - second` over the photos that both have.

    Attributes:
        metric: the metric's name.
        first: a method.
        second: another method.
        mean: mean difference of the values, or of their distances from the ground truth if closer is better.
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
    """The scores of one method or bound.

    Attributes:
        name: name of the method or bound.
        folder: its folder, as given; None for a bound.
        is_bound: whether it is `grey` or `truth`, made from the true photos.
        metrics: every metric of the registry, in its order.
        n_photos: number of photos that were scored.
        unmatched_preds: files without a counterpart, relative to the folder.
    """

    name: str
    folder: str | None
    is_bound: bool = False
    metrics: dict[str, MetricSummary]
    n_photos: int
    unmatched_preds: list[str] = []


class ComparisonRecord(Record):
    """Several methods on the same photos, under the same protocol.

    Attributes:
        protocol: name of the protocol.
        protocol_sha256: hash of its rules.
        targets_sha256: as in `EvaluationRecord`.
        target: the folder of true photos, as given.
        grey: as in `EvaluationRecord`.
        grey_sha256: as in `EvaluationRecord`.
        labels_sha256: as in `EvaluationRecord`.
        scored_sha256: as in `EvaluationRecord`.
        real: as in `EvaluationRecord`.
        methods: the methods, after the bound `grey` and before the bound `truth`.
        differences: every pair of methods under every metric, without bounds.
        metrics: facts about the metrics, in the order of tables.
        n_photos: number of photos that every method has; only these are compared.
        left_out: photos that some method lacks or that could not be scored, with the reason.
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
    grey_sha256: str | None = None
    labels_sha256: str | None = None
    scored_sha256: str | None = None
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
        """Whether every prediction was scored."""
        return not self.left_out and not any(method.unmatched_preds for method in self.methods)

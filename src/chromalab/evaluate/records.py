"""What an evaluation leaves on disk: numbers with their uncertainty, and everything that decided them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import FiniteFloat

from chromalab.core.records import Record
from chromalab.evaluate.protocols import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    """The result of predictions against targets.

    Attributes:
        protocol: the rules.
        metrics: every metric of the registry, in its order.
        versions: version of chromalab, and of the libraries whose rounding may show in the digits.
        weights: SHA-256 of the networks behind the metrics, by name.
        n_photos: number of pairs that were judged.
        skipped: pairs that could not be judged.
        unmatched_preds: predictions without a target, relative to their folder.
        unmatched_targets: targets without a prediction, relative to their folder.
    """

    protocol: str = PROTOCOL
    metrics: dict[str, MetricSummary]
    versions: dict[str, str]
    weights: dict[str, str]
    n_photos: int
    skipped: list[SkippedPair] = []
    unmatched_preds: list[str] = []
    unmatched_targets: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether every prediction was judged."""
        return not self.skipped and not self.unmatched_preds


@dataclass(frozen=True)
class PhotoScores:
    """The per-photo metrics of one pair.

    Attributes:
        photo: relative path without suffix.
        width_px: width of both pictures.
        height_px: height of both pictures.
        values: metric -> value; without the metrics that a photo of this size has no value for. PSNR may be infinite.
        truth: the same of the true photograph itself, for metrics where closer to it is better.
    """

    photo: str
    width_px: int
    height_px: int
    values: Mapping[str, float]
    truth: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation: the record, and the values of every photo in the order of their names."""

    record: EvaluationRecord
    photos: tuple[PhotoScores, ...]

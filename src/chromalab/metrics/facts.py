"""Records of metrics that need no PyTorch: facts for tables, and values of set metrics."""

from __future__ import annotations

from typing import Literal

from chromalab.core.records import Record

Direction = Literal["lower", "higher", "closer"]
"""Which values are better; `closer` means closer to the value of the ground truth."""

Role = Literal["fidelity", "perceptual", "color", "distribution", "semantic"]

Reference = Literal["target", "set", "lightness", "labels", "frames", "film", "none"]
"""What a metric needs besides the prediction: the true photo, a set of true photos (not necessarily of the same
scenes), the lightness of the gray input, the class of the depicted object, the frames of a video in order,
a film whose luma shows the motion, or nothing."""


class MetricFacts(Record):
    """Facts about a metric for readers of tables; `chromalab.metrics.metric.Metric` describes the fields.

    `low` is None where the metric has no least value.
    """

    name: str
    label: str
    unit: str = ""
    direction: Direction
    per_photo: bool
    role: Role
    network: str | None = None
    reference: Reference = "target"
    note: str = ""
    low: float | None = None


class SetValue(Record):
    """The value of a set metric.

    Attributes:
        value: the value, or None if it cannot be computed.
        truth: the ground truth's own value, for metrics that are better if closer to it.
        jackknife_se: standard error by the delete-a-group jackknife over photos.
        replicates: the value without each group of photos in turn. Photo k belongs to group k mod len(replicates), so
            that the replicates of two methods are paired.
        n: number of photos.
        reason: why there is no value, or a caveat.
    """

    value: float | None
    truth: float | None = None
    jackknife_se: float | None = None
    replicates: list[float] = []
    n: int
    reason: str | None = None

"""What every reader of a number must know of its metric, and how a metric of a whole set is told: typed records."""

from __future__ import annotations

from typing import Literal

from chromalab.core.records import Record

Direction = Literal["lower", "higher", "closer"]
"""What is better; `closer` means closer to the value that the true photographs have."""

Role = Literal["fidelity", "perceptual", "color", "distribution", "semantic"]

Reference = Literal["target", "set", "lightness", "labels", "frames", "none"]
"""What a metric needs beside the prediction: the true photograph, a set of true photographs (not necessarily the same
ones), the lightness that the colorizer was given, the class of what is to be seen, that the images are the frames of
a video in their order, or nothing."""


class MetricFacts(Record):
    """What a reader of a table must know about a metric."""

    name: str
    label: str
    unit: str = ""
    direction: Direction
    per_photo: bool
    role: Role
    network: str | None = None
    reference: Reference = "target"
    note: str = ""


class SetValue(Record):
    """A metric of a whole set of photos, which has no value for a single one.

    Attributes:
        value: the value, or None where it can't be had.
        truth: the true photographs' own value, for metrics where closer to it is better.
        jackknife_se: standard error by the delete-a-group jackknife over photos.
        replicates: the value without each group of photos in turn; photo k belongs to group k mod len(replicates), so
            that two objectives' replicates are paired.
        n: number of photos.
        reason: why there is no value, or a caveat to print beside it.
    """

    value: float | None
    truth: float | None = None
    jackknife_se: float | None = None
    replicates: list[float] = []
    n: int
    reason: str | None = None

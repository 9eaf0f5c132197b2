"""Scoring of many images by several metrics, which share networks and intermediate results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.core.errors import MissingWeightsError, UsageError
from chromalab.metrics.features import FeatureSets
from chromalab.metrics.metric import Metric, PhotoMetric, SetMetric
from chromalab.metrics.photo_view import Networks, PhotoView
from chromalab.metrics.registry import METRICS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from torch import Tensor

    from chromalab.metrics.facts import Reference


PAIRED: tuple[Reference, ...] = ("target", "set", "lightness", "none")
"""The references that are available if every prediction has its true photo."""

_HOW_TO_GET: dict[Reference, str] = {
    "target": "it needs the true photos",
    "set": "it needs a set of true photos",
    "lightness": "it needs the gray photos that were colorized (`evaluate --grey`)",
    "labels": "it needs the class of every photo (`evaluate --labels`)",
    "frames": "it needs the frames of a video (`evaluate --video`)",
    "film": "it needs films (`evaluate PRED.mp4 TARGET.mp4`)",
}


class PhotoScorer:
    """Computes metrics of predictions against the ground truth.

    >>> scorer = PhotoScorer(["mae", "ssim"])
    >>> gray, white = torch.full((1, 3, 16, 16), 0.5), torch.ones(1, 3, 16, 16)
    >>> {name: round(float(values), 3) for name, values in scorer.score(gray, white).items()}
    {'mae': 0.5, 'ssim': 0.8}

    Args:
        names: registry names; None takes all. The order is that of the registry.
        device: device of all computations; photos are moved to it.
        references: references that are available besides the predictions; metrics that need others are unavailable.
        variants: metrics that replace those of the same names, for protocols that define them differently.

    Attributes:
        metrics: the available metrics.
        unavailable: the unavailable metrics, with the reason.

    Raises:
        UnknownNameError: unknown metric.
    """

    def __init__(
        self,
        names: Sequence[str] | None = None,
        *,
        device: str | torch.device = "cpu",
        references: Collection[Reference] = PAIRED,
        variants: Collection[Metric] = (),
    ) -> None:
        wanted = {METRICS[name].name for name in names} if names is not None else set(METRICS)
        self.device = torch.device(device)
        self.networks = Networks(self.device)
        self.unavailable: dict[str, str] = {}
        self.metrics: dict[str, Metric] = {}
        replaced = {variant.name: variant for variant in variants}
        for name, metric in METRICS.items():
            if name in wanted:
                self._admit(replaced.get(name, metric), references)

    def _admit(self, metric: Metric, references: Collection[Reference]) -> None:
        if metric.reference not in references:
            self.unavailable[metric.name] = _HOW_TO_GET[metric.reference]
            return
        try:
            if metric.network is not None:
                _ = self.networks[metric.network]
        except MissingWeightsError as error:
            self.unavailable[metric.name] = str(error)
        else:
            self.metrics[metric.name] = metric

    def view(self, rgb: Tensor, labels: Tensor | None = None) -> PhotoView:
        """Return a view of photos, which `score` can compare with several predictions.

        Args:
            rgb: sRGB (B, 3, H, W) in [0, 1].
            labels: the ImageNet class of each photo, (B,), for metrics that need it.
        """
        return PhotoView(rgb.to(self.device), self.networks, None if labels is None else labels.to(self.device))

    @property
    def set_metrics(self) -> dict[str, SetMetric]:
        """The available set metrics."""
        return {name: metric for name, metric in self.metrics.items() if isinstance(metric, SetMetric)}

    def new_sets(self) -> FeatureSets:
        """Return an empty collection of the features that the set metrics need."""
        return FeatureSets(self.set_metrics)

    def too_small(self, height: int, width: int) -> dict[str, str]:
        """Return the metrics without a value for photos of this size, with the reason."""
        reasons = {
            name: metric.reason_against(height, width)
            for name, metric in self.metrics.items()
            if isinstance(metric, PhotoMetric)
        }
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def require(self, names: Iterable[str], height: int, width: int) -> None:
        """Check that metrics have values for photos of this size.

        Raises:
            UsageError: one has none; the message says why.
        """
        reasons = self.unavailable | self.too_small(height, width)
        for name in names:
            if name in reasons:
                raise UsageError(f"{name} has no value for these photos: {reasons[name]}")

    @torch.inference_mode()
    def score(
        self,
        preds: Tensor | PhotoView,
        target: Tensor | PhotoView,
        sets: FeatureSets | None = None,
        *,
        grey: PhotoView | None = None,
    ) -> dict[str, Tensor]:
        """Return every per-photo metric of B pairs, and add the pairs to `sets`.

        The values do not depend on how photos are divided into batches, up to the rounding of float32 in networks.

        Args:
            preds: RGB (B, 3, H, W) in [0, 1], or a view of it.
            target: the same shape and range, or a view of it.
            sets: a collection from `new_sets`.
            grey: the gray input of the colorizer, for metrics of lightness; None takes the target's lightness.

        Returns:
            Metric -> (B,) on the CPU, float64, without the metrics for which the photos are too small. PSNR is
            infinite for identical images; no value is NaN.
        """
        first = preds if isinstance(preds, PhotoView) else self.view(preds)
        second = target if isinstance(target, PhotoView) else self.view(target)
        if first.rgb.shape != second.rgb.shape:
            raise ValueError(f"preds {tuple(first.rgb.shape)} and target {tuple(second.rgb.shape)} differ in shape")
        if sets is not None:
            sets.update(first, second)
        left_out = self.too_small(*first.rgb.shape[-2:])
        return {
            name: metric.measure(first, grey if grey and metric.reference == "lightness" else second).double().cpu()
            for name, metric in self.metrics.items()
            if isinstance(metric, PhotoMetric) and name not in left_out
        }

    @torch.inference_mode()
    def score_truth(self, target: Tensor | PhotoView) -> dict[str, Tensor]:
        """Return the ground truth's own values under metrics with direction `closer`.

        Args:
            target: RGB (B, 3, H, W) in [0, 1], or a view of it.

        Returns:
            Metric -> (B,) on the CPU, float64.
        """
        view = target if isinstance(target, PhotoView) else self.view(target)
        return {
            name: metric.measure(view, view).double().cpu()
            for name, metric in self.metrics.items()
            if isinstance(metric, PhotoMetric) and metric.direction == "closer"
        }

    def weights(self) -> dict[str, str]:
        """Return the SHA-256 of every weight file behind the metrics, by its name in the manifest."""
        return self.networks.sha256()


def score(
    preds: Tensor, target: Tensor, names: Sequence[str] | None = None, *, device: str | torch.device = "cpu"
) -> dict[str, Tensor]:
    """Return metrics of colorized images against their ground truth, one value for each image.

    Use `PhotoScorer` to score many batches: it loads networks once, and it also computes metrics of whole sets.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.
        names: registry names of metrics. None computes every metric that is available for image pairs.
        device: device on which the metrics are computed.

    Returns:
        Metric -> (B,) on the CPU, float64.

    Raises:
        UnknownNameError: a name is not registered.
        UsageError: a named metric has no value for these images: its network is missing, it is defined for sets only,
            or the images are too small.
        ValueError: the shapes differ, or the images are not RGB floats.
    """
    scorer = PhotoScorer(names, device=device)
    values = scorer.score(preds, target)
    reasons = scorer.unavailable | scorer.too_small(*preds.shape[-2:])
    for name in names or ():
        if name not in values:
            reason = reasons.get(name, "it is defined for sets of images only; use PhotoScorer")
            raise UsageError(f"{name} has no value for these images: {reason}")
    return values

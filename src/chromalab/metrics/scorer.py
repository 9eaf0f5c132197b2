"""Scoring of many images: every network is loaded once, and shared work is done once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.core.errors import MissingWeightsError, UsageError
from chromalab.metrics.features import FeatureSets
from chromalab.metrics.metric import Metric, PhotoMetric, SetMetric
from chromalab.metrics.photo_view import Networks, PhotoView
from chromalab.metrics.registry import METRICS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import Tensor

    from chromalab.metrics.facts import Reference


PAIRED: tuple[Reference, ...] = ("target", "set", "lightness", "none")
"""What is at hand where every prediction has its true photograph."""

_HOW_TO_GET: dict[Reference, str] = {
    "target": "it needs the true photographs",
    "set": "it needs a set of true photographs",
    "lightness": "it needs the gray photographs that were colorized (`evaluate --grey`)",
    "labels": "it needs the class of every photograph (`evaluate --labels`)",
    "frames": "it needs the frames of a video (`evaluate --video`)",
}


class PhotoScorer:
    """Computes metrics of predictions against true photographs.

    >>> scorer = PhotoScorer(["mae", "ssim"])
    >>> gray, white = torch.full((1, 3, 16, 16), 0.5), torch.ones(1, 3, 16, 16)
    >>> {name: round(float(values), 3) for name, values in scorer.score(gray, white).items()}
    {'mae': 0.5, 'ssim': 0.8}

    Args:
        names: the metrics, every one of the registry where it is left out; their order is the registry's.
        device: where everything is computed; photographs are moved there.
        references: what is at hand beside the predictions; metrics that need something else are unavailable.
        variants: metrics that take the place of those of the same names, under protocols that define them otherwise.

    Attributes:
        metrics: the metrics that can be computed here.
        unavailable: the others, with the reason.

    Raises:
        UnknownNameError: a name that no metric has.
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
        """Return photographs as `score` takes them, to be used against several predictions.

        Args:
            rgb: (B, 3, H, W) in [0, 1].
            labels: the class that is to be seen on each, (B,), for metrics that ask for it.
        """
        return PhotoView(rgb.to(self.device), self.networks, None if labels is None else labels.to(self.device))

    @property
    def set_metrics(self) -> dict[str, SetMetric]:
        """The metrics of a whole set."""
        return {name: metric for name, metric in self.metrics.items() if isinstance(metric, SetMetric)}

    def new_sets(self) -> FeatureSets:
        """Return an empty collection of what the metrics of a whole set need."""
        return FeatureSets(self.set_metrics)

    def too_small(self, height: int, width: int) -> dict[str, str]:
        """Return the metrics that photographs of this size have no value for, with the reason."""
        reasons = {
            name: metric.reason_against(height, width)
            for name, metric in self.metrics.items()
            if isinstance(metric, PhotoMetric)
        }
        return {name: reason for name, reason in reasons.items() if reason is not None}

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
            grey: what the colorizer was given, for metrics of lightness; the target's own where it is left out.

        Returns:
            Metric -> (B,) on the CPU, float64, without the metrics for which the photos are too small. PSNR is
            infinite for identical images; nothing is ever NaN.
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
        """Return what metrics with direction `closer` say of the true photographs, which is what to come close to.

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

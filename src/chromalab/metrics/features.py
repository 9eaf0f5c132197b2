"""Features for set metrics: their kinds, and their collection over photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.core.registry import Registry
from chromalab.functional.distribution import CHANNELS, LEVELS
from chromalab.functional.tensors import one_torch_thread
from chromalab.metrics.photo_view import INCEPTION, LITE0
from chromalab.metrics.rows import Rows
from chromalab.nets.efficientnet_lite import TAP_CHANNELS
from chromalab.nets.inception_fid import FEATURES as INCEPTION_FEATURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.metrics.facts import SetValue
    from chromalab.metrics.metric import SetMetric
    from chromalab.metrics.photo_view import PhotoView


@dataclass(frozen=True, kw_only=True)
class Features:
    """A kind of features.

    Attributes:
        name: registry name.
        dimensions: number of features per photo.
        of: a view of B photos -> (B, dimensions).
    """

    name: str
    dimensions: int
    of: Callable[[PhotoView], Tensor]


FEATURES: Registry[Features] = Registry("kind of features")


def _add(name: str, dimensions: int, of: Callable[[PhotoView], Tensor]) -> None:
    FEATURES.add(name, Features(name=name, dimensions=dimensions, of=of))


_add("lite0_pooled", TAP_CHANNELS[-1], lambda view: view.pooled(LITE0))
_add("inception_pooled", INCEPTION_FEATURES, lambda view: view.pooled(INCEPTION))
_add("colorfulness", 1, lambda view: view.colorfulness[:, None])
_add("rgb_histogram", CHANNELS * LEVELS, lambda view: view.rgb_histogram.flatten(1))


def features_of(kinds: Iterable[str], photos: PhotoView) -> dict[str, NDArray[np.float32]]:
    """Return the features of B photos, by kind, (B, dimensions) each."""
    return {kind: FEATURES[kind].of(photos).float().cpu().numpy() for kind in kinds}


class FeatureRows:
    """Features of several kinds for one set of photos, in their order.

    Args:
        kinds: names in `FEATURES`.
        folder: folder of the files `KIND.f32`; None uses temporary files.

    Raises:
        UnknownNameError: unknown kind.
        OutputError: a file cannot be written.
    """

    def __init__(self, kinds: Iterable[str], folder: Path | None = None) -> None:
        self.rows = {
            kind: Rows(FEATURES[kind].dimensions, None if folder is None else folder / f"{kind}.f32")
            for kind in dict.fromkeys(kinds)
        }

    def update(self, photos: PhotoView) -> None:
        """Append the features of B photos."""
        self.append(features_of(self.rows, photos))

    def append(self, features: Mapping[str, NDArray[np.float32]]) -> None:
        """Append the features of B photos, (B, dimensions) by kind."""
        for kind, rows in self.rows.items():
            rows.append(features[kind])

    @property
    def complete(self) -> int:
        """The number of photos with a complete row of every kind."""
        return min((len(rows) for rows in self.rows.values()), default=0)

    def truncate(self, count: int) -> None:
        """Keep the first `count` photos."""
        for rows in self.rows.values():
            rows.truncate(count)

    def reordered(self, order: Sequence[int]) -> FeatureRows:
        """Return a copy in temporary files, whose photo i is photo `order[i]`."""
        copy = FeatureRows(())
        copy.rows = {kind: rows.reordered(order) for kind, rows in self.rows.items()}
        return copy

    def close(self) -> None:
        """Close the files; temporary files are deleted."""
        for rows in self.rows.values():
            rows.close()


class FeatureSets:
    """The features of predictions and of their true photos, for several set metrics.

    Args:
        metrics: the metrics, by name.
    """

    def __init__(self, metrics: Mapping[str, SetMetric]) -> None:
        self.metrics = dict(metrics)
        kinds = [metric.features for metric in metrics.values()]
        self.preds, self.target = FeatureRows(kinds), FeatureRows(kinds)

    def update(self, preds: PhotoView, target: PhotoView) -> None:
        """Append the features of B pairs."""
        self.preds.update(preds)
        self.target.update(target)

    def compute(self) -> dict[str, SetValue]:
        """Return the value of every metric over the photos so far."""
        return compare_sets(self.metrics, self.preds, self.target)


@one_torch_thread()
def compare_sets(metrics: Mapping[str, SetMetric], preds: FeatureRows, target: FeatureRows) -> dict[str, SetValue]:
    """Return the value of every set metric from the features of predictions and of true photos."""
    return {
        name: metric.compare(preds.rows[metric.features], target.rows[metric.features])
        for name, metric in metrics.items()
    }

"""Every metric of every pair: photos side by side in threads, results in the order of their names."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch

from chromalab.evaluate.in_order import map_in_order
from chromalab.evaluate.reading import PixelPair, batches_of_one_size, read_pair
from chromalab.evaluate.records import PhotoScores, SkippedPair

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from chromalab.evaluate.pairing import Pair
    from chromalab.metrics.feature_sets import FeatureSets
    from chromalab.metrics.photo_view import PhotoView
    from chromalab.metrics.scorer import PhotoScorer

READERS = 2
LARGE_PIXELS = 1_000_000
_one_large_photo_at_a_time = Lock()


@dataclass(frozen=True)
class JudgedBatch:
    """The values of pairs of one size, and their views, whose features set metrics collect."""

    photos: list[PhotoScores]
    preds: PhotoView
    target: PhotoView


def score_pairs(
    pairs: Sequence[Pair], scorer: PhotoScorer, sets: FeatureSets, *, workers: int
) -> Iterator[PhotoScores | SkippedPair]:
    """Yield the values of every pair, or why it has none, and add the pairs to `sets` in the order of their names.

    Batches go side by side, each whole in one thread, so the values do not depend on the number of workers.

    Args:
        pairs: what to judge.
        scorer: the metrics.
        sets: a collection from `scorer.new_sets()`.
        workers: number of batches that are judged at once.
    """
    read = map_in_order(read_pair, pairs, workers=READERS)
    judged = map_in_order(partial(_judge, scorer), batches_of_one_size(read), workers=workers)
    for batch in judged:
        if isinstance(batch, SkippedPair):
            yield batch
        else:
            with torch.inference_mode():
                sets.update(batch.preds, batch.target)
            yield from batch.photos


def _judge(scorer: PhotoScorer, batch: list[PixelPair] | SkippedPair) -> JudgedBatch | SkippedPair:
    if isinstance(batch, SkippedPair):
        return batch
    is_large = batch[0].target[..., 0].size > LARGE_PIXELS
    with _one_large_photo_at_a_time if is_large else nullcontext():
        return judge_batch(batch, scorer)


def judge_batch(batch: Sequence[PixelPair], scorer: PhotoScorer) -> JudgedBatch:
    """Return the values of pairs of one size."""
    preds = scorer.view(_tensor([pair.preds for pair in batch]))
    target = scorer.view(_tensor([pair.target for pair in batch]))
    values, truth = scorer.score(preds, target), scorer.score_truth(target)
    height, width = batch[0].target.shape[:2]
    photos = [
        PhotoScores(pair.name, width, height, _row(values, index), _row(truth, index))
        for index, pair in enumerate(batch)
    ]
    return JudgedBatch(photos, preds, target)


def _tensor(photos: Sequence[np.ndarray]) -> Tensor:
    """Return 8-bit photos (H, W, 3) as (B, 3, H, W) in [0, 1], float32."""
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2).contiguous().float() / 255


def _row(values: Mapping[str, Tensor], index: int) -> dict[str, float]:
    return {name: float(column[index]) for name, column in values.items()}

"""Parts of an evaluation as tasks for an executor, such as a cluster: nodes read and score photos and return values.

Images and weights must be available on every node under the same paths. Parts end where batches end in a local
evaluation, so the values are the same as on this machine, bit for bit on processors of the same kind.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.core.executors import check_version, task_threads
from chromalab.evaluation.photo_files import PART
from chromalab.functional.tensors import one_torch_thread
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chromalab.core.executors import Executor
    from chromalab.evaluation.photo_files import PhotoFiles
    from chromalab.evaluation.records import SkippedPair
    from chromalab.evaluation.scoring import Evaluator, EvaluatorSettings, ScoredBatch


@dataclass(frozen=True)
class ScoringTask:
    """A part of an evaluation in the form that is sent to a node.

    Attributes:
        settings: settings of the evaluator.
        fingerprint: metrics and hashes of the weights on the sender; a node with others must not take part.
        photos: the photos, with absolute paths.
        labels: class of each photo by name, if known.
        version: version of chromalab on the sender.
    """

    settings: EvaluatorSettings
    fingerprint: tuple[tuple[str, str], ...]
    photos: tuple[PhotoFiles, ...]
    labels: Mapping[str, int] | None = None
    version: str = __version__


def score_with(
    executor: Executor, settings: EvaluatorSettings, evaluator: Evaluator, photos: Sequence[PhotoFiles]
) -> Iterator[ScoredBatch | SkippedPair]:
    """Yield the scores of all photos in their order, computed on the nodes of the executor.

    A part that fails does not stop the others.

    Raises:
        ChromalabError: a part failed; the message is that of the first failure, with the number of failures.
    """
    tasks = [
        ScoringTask(_absolute_settings(settings), fingerprint(evaluator), part, _labels(evaluator, part))
        for part in (tuple(map(_absolute, photos[start : start + PART])) for start in range(0, len(photos), PART))
    ]
    early: dict[int, list[ScoredBatch | SkippedPair]] = {}
    failures = []
    following = 0
    for outcome in executor.each(score_part, tasks):
        early[outcome.index] = outcome.result or []
        if outcome.failure is not None:
            failures.append(outcome.failure)
        while following in early:
            yield from early.pop(following)
            following += 1
    if failures:
        message = f"{failures[0].message} ({len(failures)} of {len(tasks)} parts failed)"
        raise UsageError(message) if failures[0].exit_code == UsageError.exit_code else ChromalabError(message)


def score_part(task: ScoringTask) -> list[ScoredBatch | SkippedPair]:
    """Score a part on this node.

    Raises:
        UsageError: this node has another version of chromalab or other weights, or lacks files.
    """
    check_version(task.version)
    node = platform.node()
    evaluator = _evaluator(task.settings)
    if fingerprint(evaluator) != task.fingerprint:
        raise UsageError(f"{node} has other weights than the sender; add the same weights (chromalab weights list)")
    with one_torch_thread():
        return list(replace(evaluator, labels=task.labels).score_files(task.photos, workers=task_threads()))


@lru_cache(maxsize=1)
def _evaluator(settings: EvaluatorSettings) -> Evaluator:
    return settings.build()


def fingerprint(evaluator: Evaluator) -> tuple[tuple[str, str], ...]:
    """Return the metrics of an evaluator with their sources, and the hashes of the weights behind them."""
    metrics = ((name, metric.source) for name, metric in evaluator.scorer.metrics.items())
    return (*metrics, *sorted(evaluator.scorer.weights().items()))


def _labels(evaluator: Evaluator, photos: Sequence[PhotoFiles]) -> dict[str, int] | None:
    return None if evaluator.labels is None else {photo.name: evaluator.labels[photo.name] for photo in photos}


def _absolute_settings(settings: EvaluatorSettings) -> EvaluatorSettings:
    return replace(settings, classifier=settings.classifier.resolve()) if settings.classifier else settings


def _absolute(photo: PhotoFiles) -> PhotoFiles:
    def absolute(path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.abspath(path))  # noqa: PTH100 - links keep their names

    preds = {method: Path(os.path.abspath(path)) for method, path in photo.preds.items()}  # noqa: PTH100
    return replace(photo, preds=preds, target=absolute(photo.target), grey=absolute(photo.grey))

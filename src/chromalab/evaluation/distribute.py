"""Parts of an evaluation as tasks for an executor: each is read and judged where it lands, and its values come back.

Images and weights must be there on every node, under the same paths. A part ends where a batch ends here, too, so the
values are those of this machine, bit for bit on processors of one kind.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.core.executors.node import check_version, task_threads
from chromalab.evaluation.photo_files import PART
from chromalab.functional.tensors import one_torch_thread
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chromalab.core.executors.outcome import Executor
    from chromalab.evaluation.photo_files import PhotoFiles
    from chromalab.evaluation.records import SkippedPair
    from chromalab.evaluation.scoring import Evaluator, EvaluatorSettings, ScoredBatch


@dataclass(frozen=True)
class ScoringTask:
    """A part of an evaluation, as it is sent to a node.

    Attributes:
        facts: what makes the evaluator.
        decides: the sender's metrics and the hashes of its weights: a node with others must not take part.
        photos: the photos, their paths absolute.
        labels: their classes by name, where there are any.
        version: of chromalab at the sender's.
    """

    facts: EvaluatorSettings
    decides: tuple[tuple[str, str], ...]
    photos: tuple[PhotoFiles, ...]
    labels: Mapping[str, int] | None = None
    version: str = __version__


def score_with(
    executor: Executor, facts: EvaluatorSettings, evaluator: Evaluator, photos: Sequence[PhotoFiles]
) -> Iterator[ScoredBatch | SkippedPair]:
    """Give what comes of all photos, in their order, judged by whatever nodes there are.

    A part that fails does not stop the others.

    Raises:
        ChromalabError: a part failed; the message is the first failure's, and says how many there were.
    """
    tasks = [
        ScoringTask(_absolute_facts(facts), deciding(evaluator), part, _labels(evaluator, part))
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
    """Evaluator a part on this node.

    Raises:
        UsageError: this node has another chromalab, other weights, or lacks something.
    """
    check_version(task.version)
    node = platform.node()
    evaluator = _evaluator(task.facts)
    if deciding(evaluator) != task.decides:
        raise UsageError(f"{node} has other weights than the sender: add the same there (chromalab weights list)")
    with one_torch_thread():
        return list(replace(evaluator, labels=task.labels).score_files(task.photos, workers=task_threads()))


@lru_cache(maxsize=1)
def _evaluator(facts: EvaluatorSettings) -> Evaluator:
    return facts.build()


def deciding(evaluator: Evaluator) -> tuple[tuple[str, str], ...]:
    """Return which metrics an evaluator has and where they come from, and the hashes of the weights behind them."""
    metrics = ((name, metric.source) for name, metric in evaluator.scorer.metrics.items())
    return (*metrics, *sorted(evaluator.scorer.weights().items()))


def _labels(evaluator: Evaluator, photos: Sequence[PhotoFiles]) -> dict[str, int] | None:
    return None if evaluator.labels is None else {photo.name: evaluator.labels[photo.name] for photo in photos}


def _absolute_facts(facts: EvaluatorSettings) -> EvaluatorSettings:
    return replace(facts, classifier=facts.classifier.resolve()) if facts.classifier else facts


def _absolute(photo: PhotoFiles) -> PhotoFiles:
    def absolute(path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.abspath(path))  # noqa: PTH100 - links keep their names

    preds = {method: Path(os.path.abspath(path)) for method, path in photo.preds.items()}  # noqa: PTH100
    return replace(photo, preds=preds, target=absolute(photo.target), grey=absolute(photo.grey))

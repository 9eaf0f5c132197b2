"""Evaluate one folder of predictions: the one-method form of `comparing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromalab.evaluation.comparing import EvaluationSettings, compare_folders
from chromalab.evaluation.records import EvaluationRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chromalab.core.executors.outcome import Executor
    from chromalab.evaluation.score_table import Comparison, ScoreTable

METHOD = "predictions"


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation of one folder: the record, and the comparison of one method that it is made of."""

    record: EvaluationRecord
    comparison: Comparison

    @property
    def scores(self) -> ScoreTable:
        """The values of every photo, in the order of their names."""
        return self.comparison.scores[METHOD]


def evaluate_folders(
    preds: Path,
    targets: Path | None = None,
    *,
    grey: Path | None = None,
    settings: EvaluationSettings | None = None,
    executor: Executor | None = None,
    metrics: Sequence[str] | None = None,
    device: str = "auto",
    threads: int = 0,
) -> Evaluation:
    """Judge every prediction by the true photograph of the same name, or by the gray one that it was made of.

    Args:
        preds: folder of predictions; subfolders count.
        targets: folder of true photographs, matched by relative path without suffix.
        grey: folder of the gray photographs that were colorized; one of the two is needed.
        settings: what else is asked for, instead of what follows.
        executor: who judges the photos, as a cluster; this process where it is None.
        metrics: registry names, all where it is left out.
        device: `cpu`, `cuda` or `auto`.
        threads: CPU threads, which decides how fast it goes but nothing of the result; 0 takes the physical cores.

    Returns:
        The record, and the values of every photo.

    Raises:
        UsageError: a folder is wrong, no names match, no pair or no metric can be judged, or the device is missing.
        UnknownNameError: a metric's or protocol's name is unknown.
    """
    asked = settings or EvaluationSettings(metrics=metrics, device=device, threads=threads, bounds=False)
    comparison = compare_folders({METHOD: preds}, target=targets, grey=grey, settings=asked, executor=executor)
    return Evaluation(_record(comparison), comparison)


def _record(comparison: Comparison) -> EvaluationRecord:
    record = comparison.record
    own = next(method for method in record.methods if not method.is_bound)
    return EvaluationRecord(
        protocol=record.protocol,
        protocol_sha256=record.protocol_sha256,
        metrics=own.metrics,
        bounds={method.name: method.metrics for method in record.methods if method.is_bound},
        versions=record.versions,
        weights=record.weights,
        targets_sha256=record.targets_sha256,
        grey=record.grey,
        real=record.real,
        n_photos=record.n_photos,
        skipped=record.left_out,
        notes=record.notes,
        unmatched_preds=own.unmatched_preds,
        unmatched_targets=record.unmatched_targets,
    )

"""Evaluate a folder of predictions against a folder of true photographs."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from chromalab import __version__
from chromalab.core.errors import UsageError
from chromalab.core.progress import progress
from chromalab.evaluate.pairing import Pairing, pair_folders
from chromalab.evaluate.records import Evaluation, EvaluationRecord, PhotoScores, SkippedPair
from chromalab.evaluate.scoring import score_pairs
from chromalab.evaluate.summary import summarise
from chromalab.functional.threads import one_torch_thread
from chromalab.metrics.registry import METRICS
from chromalab.metrics.scorer import PhotoScorer
from chromalab.photo.reading import decoder_version
from chromalab.training.hardware import choose_device, physical_cores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chromalab.metrics.feature_sets import FeatureSets

NOT_ASKED = "not asked for"


class _Outcome(NamedTuple):
    photos: list[PhotoScores]
    skipped: list[SkippedPair]


def evaluate_folders(
    preds: Path, targets: Path, *, metrics: Sequence[str] | None = None, device: str = "auto", threads: int = 0
) -> Evaluation:
    """Judge every prediction by the true photograph of the same name, at native size.

    Args:
        preds: folder of predictions; subfolders count.
        targets: folder of true photographs, matched by relative path without suffix.
        metrics: registry names, all where it is left out.
        device: `cpu`, `cuda` or `auto`.
        threads: CPU threads, which decides how fast it goes but nothing of the result; 0 takes the physical cores.

    Returns:
        The record, and the values of every photo.

    Raises:
        UsageError: a folder is wrong, no names match, no pair or no metric can be judged, or the device is missing.
        UnknownNameError: a metric's name is unknown.
    """
    pairing = pair_folders(preds, targets)
    scorer = PhotoScorer(metrics, device=choose_device(device))
    if not scorer.metrics:
        raise UsageError("; ".join(scorer.unavailable.values()) or "no metric was asked for: name at least one")
    sets = scorer.new_sets()
    with one_torch_thread():
        outcome = _score(pairing, scorer, sets, workers=threads or physical_cores())
    if not outcome.photos:
        first = outcome.skipped[0]
        raise UsageError(f"no pair of {preds} and {targets} could be judged; the first, {first.name}: {first.reason}")
    return Evaluation(_record(outcome, sets, scorer, pairing), tuple(outcome.photos))


def _score(pairing: Pairing, scorer: PhotoScorer, sets: FeatureSets, workers: int) -> _Outcome:
    outcome = _Outcome(photos=[], skipped=list(pairing.ambiguous))
    with progress("evaluate", len(pairing.pairs)) as advance:
        for result in score_pairs(pairing.pairs, scorer, sets, workers=workers):
            if isinstance(result, SkippedPair):
                outcome.skipped.append(result)
            else:
                outcome.photos.append(result)
            advance()
    return outcome


def _record(outcome: _Outcome, sets: FeatureSets, scorer: PhotoScorer, pairing: Pairing) -> EvaluationRecord:
    not_asked = {name: NOT_ASKED for name in METRICS if name not in scorer.metrics}
    return EvaluationRecord(
        metrics=summarise(
            outcome.photos,
            sets.compute(),
            not_asked | scorer.unavailable,
        ),
        versions=_versions(),
        weights=scorer.weights(),
        n_photos=len(outcome.photos),
        skipped=sorted(outcome.skipped, key=lambda pair: pair.name),
        unmatched_preds=list(pairing.unmatched_preds),
        unmatched_targets=list(pairing.unmatched_targets),
    )


def _versions() -> dict[str, str]:
    libraries = ("torch", "kornia", "numpy", "scipy")
    return {
        "chromalab": __version__,
        **{name: version(name) for name in libraries},
        "decoder": decoder_version(),
    }

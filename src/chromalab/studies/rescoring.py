"""Scores of a study under another protocol, kept beside the scores that the study itself wrote.

`STUDY/protocols/NAME/` is itself the folder of a study: `load_study`, `analyze` and `chromalab compare report` read it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.core.progress import progress
from chromalab.evaluation.scoring import BASELINES, make_evaluator, score
from chromalab.metrics.registry import METRICS
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.config import SAMPLES, StudyConfig
from chromalab.studies.export import load_network, trained_runs
from chromalab.studies.load import load_study
from chromalab.studies.photos import open_photos
from chromalab.studies.records import RunRecord
from chromalab.studies.runs import save_bound
from chromalab.studies.study import StudyFolder
from chromalab.training.devices import make_fabric
from chromalab.training.settings import RuntimeSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chromalab.data.photoset import PhotoSet
    from chromalab.evaluation.scoring import Evaluator
    from chromalab.studies.records import Analysis, StudyRecord


def score_study(
    root: Path,
    protocol: str,
    *,
    data: Path | None = None,
    test: Sequence[str] = (),
    exclude: Sequence[str] | None = None,
    runtime: RuntimeSettings | None = None,
) -> Analysis:
    """Score every finished run of a study under a named protocol, and return the analysis of these scores.

    The scores go to `root/protocols/PROTOCOL/`; runs that are scored there already are not scored again. The records of
    the study itself are not changed.

    Args:
        root: the folder of the study; its networks are needed.
        protocol: name of the protocol.
        data: the folder of photographs of the study; not needed for the built-in samples.
        test: the folders of test photos, where the study has its own.
        exclude: the patterns of photos that the study left out; None takes those in its record.
        runtime: device and threads.

    Raises:
        UnknownNameError: unknown protocol.
        UsageError: no study, no trained network, or not the photographs of the study.
    """
    runtime = runtime or RuntimeSettings()
    evaluator = make_evaluator(protocol, device=make_fabric(runtime).device)
    own = StudyFolder(root)
    study = own.load()
    trained = trained_runs(own)
    photos = _test_photos(root, study, data, test, exclude)
    there = StudyFolder(root / "protocols" / protocol)
    there.open(study.model_copy(update={"protocol": protocol, "title": f"{study.title} (protocol {protocol})"}))
    _score_baselines(there, photos, evaluator)
    with progress(f"scoring under {protocol}", len(trained), unit="runs") as advance:
        for name in trained:
            if there.finished(name) is None:
                _score_run(name, own, there, photos, evaluator)
            advance()
    variants = {metric.name: metric for metric in evaluator.protocol.variants}
    analysis = analyze(load_study(there.root), [variants.get(name, metric).facts for name, metric in METRICS.items()])
    analysis.save(there.root / "analysis.json")
    return analysis


def _test_photos(
    root: Path, study: StudyRecord, data: Path | None, test: Sequence[str], exclude: Sequence[str] | None
) -> PhotoSet:
    """Open the test photos of a study, whose record holds names of folders but not their paths."""
    settings = StudyConfig.parse(study.config, origin=str(root / "study.json")).data
    if data is None and settings.source != SAMPLES:
        raise UsageError(f"{root}: the study has photos of the folder '{settings.source}': give its path with --data")
    changes: dict[str, object] = {"source": settings.source if data is None else str(data)}
    changes |= {"test": list(test)} if test else {}
    changes |= {} if exclude is None else {"exclude": list(exclude)}
    photos = open_photos(settings.model_copy(update=changes), study.data.size_px)
    record = photos.record
    if (record.data_sha256, record.test_photos) != (study.data.data_sha256, study.data.test_photos):
        raise UsageError(
            f"{root}: the study has other photographs than '{changes['source']}' (its record names "
            f"{study.data.n_test} test photos, here are {record.n_test}): give its folders with --data, --test and "
            "--exclude"
        )
    return photos.test


def _score_baselines(there: StudyFolder, photos: PhotoSet, evaluator: Evaluator) -> None:
    for name, colorize in BASELINES.items():
        if not (there.bound(name) / "record.json").exists():
            save_bound(there.bound(name), name, score(colorize, photos, evaluator))


def _score_run(name: str, own: StudyFolder, there: StudyFolder, photos: PhotoSet, evaluator: Evaluator) -> None:
    """Score a finished run, its record last."""
    record = RunRecord.load(own.run(name) / "record.json")
    network = load_network(own.run(name), own.load(), record).to(evaluator.scorer.device)
    started = time.monotonic()
    scores = score(network.colorize, photos, evaluator)
    scores.save(there.run(name) / "metrics.csv")
    changes = {
        "set_metrics": scores.sets,
        "unavailable": scores.unavailable,
        "weights": evaluator.scorer.weights(),
        "evaluation_seconds": round(time.monotonic() - started, 2),
    }
    record.model_copy(update=changes).save(there.run(name) / "record.json")

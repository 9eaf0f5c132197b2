"""Evaluation of folders of predictions under a named protocol."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.core.files import printable, sha256_file
from chromalab.core.progress import progress
from chromalab.evaluation.distribute import score_with
from chromalab.evaluation.paired_tests import paired_differences
from chromalab.evaluation.photo_files import (
    MAX_CLASSES,
    Matching,
    PhotoFiles,
    all_files,
    match_folders,
    read_labels,
)
from chromalab.evaluation.protocols import Protocol, find_protocol
from chromalab.evaluation.records import (
    BOUNDS,
    GREY,
    GREY_BOUND,
    PREDICTIONS,
    PROTOCOL,
    TARGET,
    TRUTH_BOUND,
    ComparisonRecord,
    EvaluationRecord,
    MethodRecord,
)
from chromalab.evaluation.scores import Comparison, ScoreStore
from chromalab.evaluation.scoring import EvaluatorSettings, RealSet
from chromalab.evaluation.summary import summarize
from chromalab.functional.tensors import one_torch_thread
from chromalab.metrics.features import compare_sets
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.metrics.video import WARP_ERROR
from chromalab.nets.trunks import CLASSES
from chromalab.photo.listing import size_and_time
from chromalab.photo.reading import decoder_version
from chromalab.training.hardware import physical_cores
from chromalab.training.settings import RuntimeSettings
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chromalab.core.executors import Executor
    from chromalab.evaluation.scores import ScoreTable
    from chromalab.evaluation.scoring import Evaluator
    from chromalab.metrics.facts import Reference, SetValue
    from chromalab.metrics.scorer import PhotoScorer

NOT_ASKED = "not asked for"
RUNTIME = RuntimeSettings()
"""Where evaluations run by default: as trainings do."""

_LIBRARIES = ("torch", "kornia", "numpy", "scipy", "scikit-image")


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """The settings of an evaluation, besides its folders.

    Attributes:
        protocol: name of the protocol.
        metrics: registry names; None takes all.
        real: folder of true photos to compare sets with; only without targets.
        labels: CSV file with the class of every photo.
        classifier: Python file with a custom classifier for these labels.
        video: whether the images are the frames of a video, in the order of their names.
        bounds: score the gray baseline and the ground truth, too.
        device: `cpu`, `cuda` or `auto`.
        threads: CPU threads, which do not change the result; 0 takes one per physical core.
        state: folder from which an interrupted evaluation resumes.
        flicker: color flicker by method and bound, measured on the films that the frames come from.
    """

    protocol: str = PROTOCOL
    metrics: Sequence[str] | None = None
    real: Path | None = None
    labels: Path | None = None
    classifier: Path | None = None
    video: bool = False
    bounds: bool = True
    device: str = RUNTIME.device
    threads: int = RUNTIME.threads
    state: Path | None = None
    flicker: Mapping[str, SetValue] | None = None


@dataclass(frozen=True)
class _Plan:
    """Everything that is resolved before the first photo is read."""

    settings: EvaluationSettings
    evaluator_settings: EvaluatorSettings
    methods: Mapping[str, Path]
    target: Path | None
    grey: Path | None
    matching: Matching
    protocol: Protocol
    evaluator: Evaluator
    real: RealSet | None = None
    classifier_sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def scorer(self) -> PhotoScorer:
        return self.evaluator.scorer

    @property
    def scored(self) -> list[str]:
        """Methods and bounds."""
        return [*self.methods, *(BOUNDS if self.evaluator.bounds else ())]


def compare_folders(
    methods: Mapping[str, Path],
    *,
    target: Path | None = None,
    grey: Path | None = None,
    settings: EvaluationSettings | None = None,
    executor: Executor | None = None,
) -> Comparison:
    """Score the predictions of one or more methods, and compare every pair of methods by paired tests.

    Only photos that every method has are compared; the record lists those that are left out.

    Args:
        methods: the folder of every method, including its subfolders, by name.
        target: folder of the true photos, matched by relative path without suffix. Without it, only metrics that need
            no ground truth are computed.
        grey: folder of the gray photos that were colorized.
        settings: protocol, metrics and device; None takes the defaults.
        executor: executor that scores the photos, such as a cluster; None scores them in this process.

    Raises:
        ChromalabError: the executor failed on a part of the photos.
        UsageError: a folder or a name is wrong, no names match, no photo or no metric can be scored, the device is
            missing, or real photos are given beside targets.
        UnknownNameError: unknown metric or protocol.
        ConfigError: the labels or the classifier cannot be read.
    """
    plan = _plan(methods, target, grey, settings or EvaluationSettings())
    with one_torch_thread():
        store = _score_all(plan, executor)
        if not store.photos:
            first = (*store.skipped, *plan.matching.left_out)[0]
            raise UsageError(f"no photo can be scored; the first is {first.name}: {first.reason}")
        sets = _compare_sets(plan, store)
    tables = store.tables()
    return Comparison(_record(plan, store, tables, sets), tables, _files(plan, set(store.photos)), plan.protocol)


def _plan(methods: Mapping[str, Path], target: Path | None, grey: Path | None, settings: EvaluationSettings) -> _Plan:
    if settings.real is not None and target is not None:
        raise UsageError("sets are compared with the targets; omit --real, which is for photos without ground truth")
    methods = {printable(name): folder for name, folder in methods.items()}
    protocol = find_protocol(settings.protocol)
    bounds = settings.bounds and target is not None
    _check_names(methods, bounds=bounds)
    matching = match_folders(methods, target=target, grey=grey)
    labels = _labels(settings, matching.photos)
    if settings.video:
        _check_frames(matching.photos)
    metrics = tuple(settings.metrics) if settings.metrics is not None else None
    references = frozenset(_references(target, grey, settings))
    evaluator_settings = EvaluatorSettings(
        protocol.name, metrics, references, settings.classifier, bounds, settings.device
    )
    evaluator = replace(evaluator_settings.build(), labels=labels)
    scorer = evaluator.scorer
    if not scorer.metrics:
        raise UsageError("; ".join(scorer.unavailable.values()) or "the list of metrics is empty; name at least one")
    return _Plan(
        settings,
        evaluator_settings,
        methods,
        target,
        grey,
        matching,
        protocol,
        evaluator,
        RealSet(settings.real) if settings.real else None,
        {"classifier": sha256_file(settings.classifier)} if settings.classifier else {},
    )


def _labels(settings: EvaluationSettings, photos: Sequence[PhotoFiles]) -> dict[str, int] | None:
    if settings.labels is None:
        return None
    classes = CLASSES if settings.classifier is None else MAX_CLASSES
    return read_labels(settings.labels, [photo.name for photo in photos], classes)


def _check_names(methods: Mapping[str, Path], *, bounds: bool) -> None:
    if not methods:
        raise UsageError("no method was given; give at least one folder of predictions")
    for name in methods:
        if not name.strip() or (bounds and name in BOUNDS) or name == TARGET:
            raise UsageError(f"a method cannot be named '{name}'; choose another name")


def _check_frames(photos: Sequence[PhotoFiles]) -> None:
    folders = {PurePosixPath(photo.name).parent for photo in photos}
    if len(folders) > 1:
        raise UsageError(
            f"the frames of a video must lie in one folder, not in {len(folders)}; evaluate one video at a time"
        )


def _references(target: Path | None, grey: Path | None, settings: EvaluationSettings) -> set[Reference]:
    found: set[Reference] = {"none"}
    if target is not None:
        found |= {"target", "set", "lightness"}
    if grey is not None:
        found.add("lightness")
    if settings.real is not None:
        found.add("set")
    if settings.labels is not None:
        found.add("labels")
    if settings.video:
        found.add("frames")
    if settings.flicker is not None:
        found.add("film")
    return found


def _score_all(plan: _Plan, executor: Executor | None) -> ScoreStore:
    columns = [name for name, metric in plan.scorer.metrics.items() if isinstance(metric, PhotoMetric)]
    has_target = plan.target is not None
    truths = [name for name in columns if has_target and METRICS[name].direction == "closer"]
    store = ScoreStore(
        plan.scored,
        columns,
        truths,
        plan.evaluator.kinds,
        has_target=has_target,
        folder=plan.settings.state,
        key=_key(plan),
    )
    left = [photo for photo in plan.matching.photos if photo.name not in store.done]
    done = len(plan.matching.photos) - len(left)
    if executor is None:
        outcomes = plan.evaluator.score_files(left, workers=plan.settings.threads or physical_cores())
    else:
        outcomes = score_with(executor, plan.evaluator_settings, plan.evaluator, left)
    with progress("evaluate", len(plan.matching.photos), done=done) as advance:
        for outcome in outcomes:
            store.add(outcome)
            advance(len(getattr(outcome, "photos", (None,))))
    return store


def _key(plan: _Plan) -> str:
    """Return a hash of everything that determines the values: files, protocol, metrics and networks."""
    digest = hashlib.sha256()
    for part in (
        __version__,
        plan.protocol.sha256,
        *plan.scored,
        *plan.scorer.metrics,
        *sorted(plan.scorer.weights().values()),
        *plan.classifier_sha256.values(),
        *(f"{name}={label}" for name, label in sorted((plan.evaluator.labels or {}).items())),
        *("{} {} {}".format(path, *size_and_time(path)) for path in all_files(plan.matching.photos)),
    ):
        digest.update(printable(f"{part}\n").encode())
    return digest.hexdigest()


def _compare_sets(plan: _Plan, store: ScoreStore) -> dict[str, dict[str, SetValue]]:
    """Return the set metrics by method and bound."""
    found = store.sorted_features()
    target = found.pop(TARGET, None) or (plan.real or RealSet(None)).features(plan.evaluator)
    flicker = plan.settings.flicker if WARP_ERROR.name in plan.scorer.metrics else None
    return {
        name: compare_sets(plan.scorer.set_metrics, features, target)
        | ({WARP_ERROR.name: flicker[name]} if flicker is not None else {})
        for name, features in found.items()
    }


def _record(
    plan: _Plan, store: ScoreStore, tables: Mapping[str, ScoreTable], sets: Mapping[str, Mapping[str, SetValue]]
) -> ComparisonRecord:
    scorer = plan.scorer
    not_asked = {name: NOT_ASKED for name in METRICS if name not in scorer.metrics}
    unavailable = not_asked | scorer.unavailable
    rows = [
        MethodRecord(
            name=name,
            folder=printable(plan.methods[name]) if name in plan.methods else None,
            is_bound=name not in plan.methods,
            metrics=summarize(tables[name], sets[name], unavailable),
            n_photos=len(tables[name].photos),
            unmatched_preds=list(plan.matching.unmatched.get(name, ())),
        )
        for name in _in_table_order(plan)
    ]
    return ComparisonRecord(
        protocol=plan.protocol.name,
        protocol_sha256=plan.protocol.sha256,
        targets_sha256=_names_and_sizes({photo.name: photo.target for photo in plan.matching.photos}),
        target=printable(plan.target) if plan.target else None,
        grey=printable(plan.grey) if plan.grey else None,
        grey_sha256=_names_and_sizes({photo.name: photo.grey for photo in plan.matching.photos}),
        labels_sha256=_names_and_labels(plan),
        scored_sha256=_lines_sha256(f"{name}\n" for name in sorted(store.photos)),
        real=plan.real.description if plan.real else None,
        methods=rows,
        differences=paired_differences(list(plan.methods), tables, sets, scorer.metrics),
        metrics=[metric.facts for metric in scorer.metrics.values()],
        n_photos=len(store.photos),
        left_out=sorted([*store.skipped, *plan.matching.left_out], key=lambda pair: pair.name),
        notes=_notes(store, plan),
        unmatched_targets=list(plan.matching.unmatched_targets),
        versions=_versions(),
        weights={**scorer.weights(), **plan.classifier_sha256},
    )


def _in_table_order(plan: _Plan) -> list[str]:
    bounds = plan.evaluator.bounds
    return [*([GREY_BOUND] if bounds else []), *plan.methods, *([TRUTH_BOUND] if bounds else [])]


_FILE_NOTES = {
    "grey": "have one channel only",
    "transparent": "are transparent and were put on white",
    "16-bit": "have 16 bits and were rounded to 8",
    "resized": "had another size than their counterparts before the protocol resized both",
}


def _notes(store: ScoreStore, plan: _Plan) -> list[str]:
    many = len(plan.methods) > 1
    order = _order_note(sorted(store.photos)) if plan.settings.video else []
    return order + [
        f"{count} of {len(store.photos)} predictions{f' of {method}' if many else ''} {_FILE_NOTES[what]}"
        for (method, what), count in sorted(store.oddities.items())
    ]


def _order_note(names: Sequence[str]) -> list[str]:
    """Return a note if the frames of a video, sorted as text, are not in the order of the numbers in their names."""
    for name, following in pairwise(names):
        if _natural(name) > _natural(following):
            note = f"frames are in the order of their names as text, in which '{name}' comes before '{following}'"
            return [f"{note}; if that is not their order, write the numbers with leading zeros"]
    return []


def _natural(name: str) -> list[str | int]:
    """Return a key that sorts names by the values of the numbers in them."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _names_and_sizes(files: Mapping[str, Path | None]) -> str | None:
    """Return the hash of the names and sizes of files by photo, or None if there are none."""
    return _lines_sha256(f"{name} {size_and_time(file)[0]}\n" for name, file in files.items() if file is not None)


def _names_and_labels(plan: _Plan) -> str | None:
    """Return the hash of the names and classes of the photos, or None if there are none."""
    labels = plan.evaluator.labels or {}
    return _lines_sha256(f"{photo.name} {labels[photo.name]}\n" for photo in plan.matching.photos if labels)


def _lines_sha256(lines: Iterable[str]) -> str | None:
    text = "".join(lines)
    return hashlib.sha256(text.encode()).hexdigest() if text else None


def _files(plan: _Plan, scored: set[str]) -> dict[str, dict[str, Path]]:
    photos = [photo for photo in plan.matching.photos if photo.name in scored]
    files = {method: {photo.name: photo.preds[method] for photo in photos} for method in plan.methods}
    for role, path in ((TARGET, plan.target), (GREY, plan.grey)):
        if path is not None:
            found = {photo.name: photo.target if role == TARGET else photo.grey for photo in photos}
            files[role] = {name: file for name, file in found.items() if file is not None}
    return files


def _versions() -> dict[str, str]:
    return {
        "chromalab": __version__,
        **{name: version(name) for name in _LIBRARIES},
        "decoder": decoder_version(),
    }


@dataclass(frozen=True)
class Evaluation:
    """The result of one folder: its record, and the comparison of a single method that the record sums up."""

    record: EvaluationRecord
    comparison: Comparison

    @property
    def scores(self) -> ScoreTable:
        """The values of every photo, in the order of their names."""
        return self.comparison.scores[PREDICTIONS]


def evaluate(
    preds: str | Path,
    targets: str | Path | None = None,
    *,
    grey: str | Path | None = None,
    protocol: str = PROTOCOL,
    metrics: Sequence[str] | None = None,
    device: str = "auto",
    threads: int = 0,
) -> Evaluation:
    """Score the predictions of one folder under a named protocol; `compare_folders` compares several folders.

    >>> import chromalab
    >>> result = chromalab.evaluate("colorized/", "originals/")  # doctest: +SKIP
    >>> result.record.metrics["psnr"].mean  # doctest: +SKIP

    Args:
        preds: folder of predictions, including its subfolders.
        targets: folder of the true photos, matched by relative path without suffix.
        grey: folder of the gray photos that were colorized. One of `targets` and `grey` is needed.
        protocol: name of the protocol, see `PROTOCOLS`.
        metrics: registry names; None takes all.
        device: `cpu`, `cuda` or `auto`.
        threads: CPU threads, which do not change the result; 0 takes one per physical core.

    Returns:
        The record, and the scores of every photo.

    Raises:
        UsageError: a folder is wrong, no names match, no photo or no metric can be scored, or the device is missing.
        UnknownNameError: unknown metric or protocol.
    """
    comparison = compare_folders(
        {PREDICTIONS: Path(preds)},
        target=None if targets is None else Path(targets),
        grey=None if grey is None else Path(grey),
        settings=EvaluationSettings(protocol=protocol, metrics=metrics, bounds=False, device=device, threads=threads),
    )
    return Evaluation(single_record(comparison), comparison)


def single_record(comparison: Comparison) -> EvaluationRecord:
    """Return the record of a comparison of a single method."""
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
        grey_sha256=record.grey_sha256,
        labels_sha256=record.labels_sha256,
        scored_sha256=record.scored_sha256,
        real=record.real,
        n_photos=record.n_photos,
        skipped=record.left_out,
        notes=record.notes,
        unmatched_preds=own.unmatched_preds,
        unmatched_targets=record.unmatched_targets,
    )

"""Judging one method or several on the same photographs under one protocol."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.core.hashing import sha256_file
from chromalab.core.progress import progress
from chromalab.evaluation.differences import paired_differences
from chromalab.evaluation.distribute import judge_with
from chromalab.evaluation.judging import JudgeFacts
from chromalab.evaluation.labels import read_labels
from chromalab.evaluation.pairing import GREY, TARGET, Matching, PhotoFiles, all_files, match_folders
from chromalab.evaluation.protocols import PROTOCOL, Protocol, find_protocol
from chromalab.evaluation.real_set import RealSet
from chromalab.evaluation.records import ComparisonRecord, MethodRecord
from chromalab.evaluation.score_table import Comparison
from chromalab.evaluation.scoring import BOUNDS, GREY_BOUND, TRUTH_BOUND
from chromalab.evaluation.store import ScoreStore
from chromalab.evaluation.summary import summarize
from chromalab.functional.tensors import one_torch_thread
from chromalab.metrics.features import compare_sets
from chromalab.metrics.metric import PhotoMetric
from chromalab.metrics.registry import METRICS
from chromalab.photo.reading import decoder_version
from chromalab.training.hardware import physical_cores
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chromalab.core.executors.outcome import Executor
    from chromalab.evaluation.score_table import ScoreTable
    from chromalab.evaluation.scoring import Judge
    from chromalab.metrics.facts import Reference, SetValue
    from chromalab.metrics.scorer import PhotoScorer

NOT_ASKED = "not asked for"
_LIBRARIES = ("torch", "kornia", "numpy", "scipy", "scikit-image")


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What is asked of an evaluation beside its folders.

    Attributes:
        protocol: name of the rules.
        metrics: registry names, all where it is None.
        real: folder of true photographs to compare sets with, where there are no targets.
        labels: CSV file of the class of every photo.
        classifier: Python file with a classifier of one's own for these labels.
        video: the pictures are the frames of a video in the order of their names.
        bounds: judge the gray and the true photographs, too.
        device: `cpu`, `cuda` or `auto`.
        threads: CPU threads, which decides how fast it goes but nothing of the result; 0 takes the physical cores.
        state: folder by which an interrupted evaluation goes on.
    """

    protocol: str = PROTOCOL
    metrics: Sequence[str] | None = None
    real: Path | None = None
    labels: Path | None = None
    classifier: Path | None = None
    video: bool = False
    bounds: bool = True
    device: str = "auto"
    threads: int = 0
    state: Path | None = None


@dataclass(frozen=True)
class _Plan:
    """Everything that is settled before the first photo is read."""

    settings: EvaluationSettings
    facts: JudgeFacts
    methods: Mapping[str, Path]
    target: Path | None
    grey: Path | None
    matching: Matching
    protocol: Protocol
    judge: Judge
    real: RealSet | None = None
    classifier_sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def scorer(self) -> PhotoScorer:
        return self.judge.scorer

    @property
    def judged(self) -> list[str]:
        """Methods and bounds."""
        return [*self.methods, *(BOUNDS if self.judge.bounds else ())]


def compare_folders(
    methods: Mapping[str, Path],
    *,
    target: Path | None = None,
    grey: Path | None = None,
    settings: EvaluationSettings | None = None,
    executor: Executor | None = None,
) -> Comparison:
    """Judge the predictions of every method by the photographs of the same names.

    Only photos that every method has are compared; what is left out is told.

    Args:
        methods: the folder of every method, by name; subfolders count.
        target: folder of the true photographs. Without it only what needs no truth is measured.
        grey: folder of the gray photographs that were colorized.
        settings: what else is asked for.
        executor: who judges the photos, as a cluster; this process where it is None.

    Raises:
        ChromalabError: a part of the photos could not be judged by the executor.
        UsageError: a folder or a name is wrong, no names match, no photo or no metric can be judged, or the device is
            missing.
        UnknownNameError: a metric's or protocol's name is unknown.
        ConfigError: labels or classifier are no such files.
    """
    plan = _plan(methods, target, grey, settings or EvaluationSettings())
    with one_torch_thread():
        store = _judge_all(plan, executor)
        if not store.photos:
            first = (*store.skipped, *plan.matching.left_out)[0]
            raise UsageError(f"no photo could be judged; the first, {first.name}: {first.reason}")
        sets = _compare_sets(plan, store)
    tables = store.tables()
    return Comparison(_record(plan, store, tables, sets), tables, _files(plan, set(store.photos)), plan.protocol)


def _plan(methods: Mapping[str, Path], target: Path | None, grey: Path | None, settings: EvaluationSettings) -> _Plan:
    protocol = find_protocol(settings.protocol)
    bounds = settings.bounds and target is not None
    _check_names(methods, bounds=bounds)
    matching = match_folders(methods, target=target, grey=grey)
    labels = read_labels(settings.labels, [photo.name for photo in matching.photos]) if settings.labels else None
    if settings.video:
        _check_frames(matching.photos)
    metrics = tuple(settings.metrics) if settings.metrics is not None else None
    references = frozenset(_references(target, grey, settings))
    facts = JudgeFacts(protocol.name, metrics, references, settings.classifier, bounds, settings.device)
    judge = replace(facts.judge(), labels=labels)
    scorer = judge.scorer
    if not scorer.metrics:
        raise UsageError("; ".join(scorer.unavailable.values()) or "no metric was asked for: name at least one")
    return _Plan(
        settings,
        facts,
        methods,
        target,
        grey,
        matching,
        protocol,
        judge,
        RealSet(settings.real) if settings.real and target is None else None,
        {"classifier": sha256_file(settings.classifier)} if settings.classifier else {},
    )


def _check_names(methods: Mapping[str, Path], *, bounds: bool) -> None:
    if not methods:
        raise UsageError("no method was named: give at least one folder of predictions")
    for name in methods:
        if not name.strip() or (bounds and name in BOUNDS) or name == TARGET:
            raise UsageError(f"a method can't be called '{name}': choose another name")


def _check_frames(photos: Sequence[PhotoFiles]) -> None:
    folders = {PurePosixPath(photo.name).parent for photo in photos}
    if len(folders) > 1:
        raise UsageError(
            f"the frames of a video lie in one folder, not in {len(folders)}: evaluate one video at a time"
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
    return found


def _judge_all(plan: _Plan, executor: Executor | None) -> ScoreStore:
    columns = [name for name, metric in plan.scorer.metrics.items() if isinstance(metric, PhotoMetric)]
    has_target = plan.target is not None
    truths = [name for name in columns if has_target and METRICS[name].direction == "closer"]
    store = ScoreStore(
        plan.judged,
        columns,
        truths,
        plan.judge.kinds,
        has_target=has_target,
        folder=plan.settings.state,
        key=_key(plan),
    )
    left = [photo for photo in plan.matching.photos if photo.name not in store.done]
    done = len(plan.matching.photos) - len(left)
    if executor is None:
        outcomes = plan.judge.judge_photos(left, workers=plan.settings.threads or physical_cores())
    else:
        outcomes = judge_with(executor, plan.facts, plan.judge, left)
    with progress("evaluate", len(plan.matching.photos), done=done) as advance:
        for outcome in outcomes:
            store.add(outcome)
            advance(len(getattr(outcome, "photos", (None,))))
    return store


def _key(plan: _Plan) -> str:
    """Return a hash of everything that decides the values: files, rules, metrics, networks."""
    facts = hashlib.sha256()
    for part in (
        __version__,
        plan.protocol.sha256,
        *plan.judged,
        *plan.scorer.metrics,
        *sorted(plan.scorer.weights().values()),
        *plan.classifier_sha256.values(),
        *(f"{name}={label}" for name, label in sorted((plan.judge.labels or {}).items())),
        *(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in all_files(plan.matching.photos)),
    ):
        facts.update(f"{part}\n".encode(errors="surrogateescape"))
    return facts.hexdigest()


def _compare_sets(plan: _Plan, store: ScoreStore) -> dict[str, dict[str, SetValue]]:
    """Return the metrics of sets, by method and bound."""
    target = store.target_features
    if target is None:
        target = (plan.real or RealSet(None)).features(plan.judge)
    return {name: compare_sets(plan.scorer.set_metrics, features, target) for name, features in store.features.items()}


def _record(
    plan: _Plan, store: ScoreStore, tables: Mapping[str, ScoreTable], sets: Mapping[str, Mapping[str, SetValue]]
) -> ComparisonRecord:
    scorer = plan.scorer
    not_asked = {name: NOT_ASKED for name in METRICS if name not in scorer.metrics}
    unavailable = not_asked | scorer.unavailable
    rows = [
        MethodRecord(
            name=name,
            folder=str(plan.methods[name]) if name in plan.methods else None,
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
        targets_sha256=_names_and_sizes(plan.matching.photos) if plan.target else None,
        target=str(plan.target) if plan.target else None,
        grey=str(plan.grey) if plan.grey else None,
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
    bounds = plan.judge.bounds
    return [*([GREY_BOUND] if bounds else []), *plan.methods, *([TRUTH_BOUND] if bounds else [])]


_TOLD = {
    "grey": "hold one channel only",
    "transparent": "have transparency, which was laid on white",
    "16-bit": "have 16 bits, which were rounded to 8",
    "resized": "have another size than their counterparts, before the protocol resized both",
}


def _notes(store: ScoreStore, plan: _Plan) -> list[str]:
    many = len(plan.methods) > 1
    return [
        f"{count} of {len(store.photos)} predictions{f' of {method}' if many else ''} {_TOLD[what]}"
        for (method, what), count in sorted(store.oddities.items())
    ]


def _names_and_sizes(photos: Sequence[PhotoFiles]) -> str:
    lines = (f"{photo.name} {photo.target.stat().st_size}\n" for photo in photos if photo.target is not None)
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _files(plan: _Plan, judged: set[str]) -> dict[str, dict[str, Path]]:
    photos = [photo for photo in plan.matching.photos if photo.name in judged]
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

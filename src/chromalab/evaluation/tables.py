"""Results of several evaluations as one table, where they may stand in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.core.records import read_yaml
from chromalab.evaluation.records import ComparisonRecord, EvaluationRecord, MethodRecord
from chromalab.metrics.registry import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def join_results(paths: Sequence[Path]) -> ComparisonRecord:
    """Return the methods of several result files beside each other, without tests between files.

    Raises:
        ConfigError: a file is no result.
        UsageError: they were computed by different rules, networks or photographs; the message says what differs.
    """
    records = {path: _load(path) for path in paths}
    first_path, first = next(iter(records.items()))
    for path, record in records.items():
        if reason := _difference(first, record):
            raise UsageError(f"{first_path} and {path} can't stand in one table: {reason}")
    methods = [method for path, record in records.items() for method in _named(record, path, many=len(paths) > 1)]
    known = {name for method in methods for name, each in method.metrics.items() if each.mean is not None}
    return first.model_copy(
        update={
            "methods": methods,
            "differences": first.differences if len(records) == 1 else [],
            "metrics": [metric.facts for name, metric in METRICS.items() if name in known],
        }
    )


def _load(path: Path) -> ComparisonRecord:
    data = read_yaml(path)
    if isinstance(data, dict) and "methods" in data:
        return ComparisonRecord.parse(data, origin=str(path))
    record = EvaluationRecord.parse(data, origin=str(path))
    own = MethodRecord(name=path.stem, folder=None, metrics=record.metrics, n_photos=record.n_photos)
    return ComparisonRecord(
        protocol=record.protocol,
        protocol_sha256=record.protocol_sha256,
        targets_sha256=record.targets_sha256,
        grey=record.grey,
        real=record.real,
        methods=[own],
        differences=[],
        metrics=[],
        n_photos=record.n_photos,
        versions=record.versions,
        weights=record.weights,
    )


def _difference(first: ComparisonRecord, second: ComparisonRecord) -> str:
    """Say what keeps two results out of one table, or return an empty string."""
    if first.protocol != second.protocol:
        return f"the protocols are {first.protocol} and {second.protocol}"
    if first.protocol_sha256 != second.protocol_sha256:
        return f"the rules of {first.protocol} are not the same in both"
    if first.targets_sha256 != second.targets_sha256 or first.n_photos != second.n_photos:
        return f"the photographs are not the same ({first.n_photos} and {second.n_photos} were measured)"
    if first.real != second.real:
        return f"sets were compared with {first.real or 'the targets'} and with {second.real or 'the targets'}"
    for name in sorted(first.weights.keys() & second.weights.keys()):
        if first.weights[name] != second.weights[name]:
            return f"the weights of {name} differ ({first.weights[name][:12]} and {second.weights[name][:12]})"
    return ""


def _named(record: ComparisonRecord, path: Path, *, many: bool) -> list[MethodRecord]:
    """Return the methods, bounds left out where several files would repeat them."""
    kept = [method for method in record.methods if not (many and method.is_bound)]
    if not many or len(kept) == 1:
        return [method.model_copy(update={"name": path.stem}) for method in kept] if many else kept
    return [method.model_copy(update={"name": f"{path.stem}: {method.name}"}) for method in kept]

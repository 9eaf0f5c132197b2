"""A batch split into tasks for an executor, whose nodes read, colorize and write the photos.

Photos and the output folder must be on a disk that all nodes share, under the same paths. Every part has its own
journal, because two processes must not write to one file; the batch merges them all.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.colorization.batch import colorize_item, failed, run_batch
from chromalab.colorization.engine import engine_of
from chromalab.colorization.journal import open_part
from chromalab.colorization.records import Item
from chromalab.colorization.report import run_with_report, save_entries
from chromalab.core.errors import UsageError
from chromalab.core.executors import check_version, task_threads
from chromalab.core.files import printable
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chromalab.colorization.batch import Batch
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.plan import Plan
    from chromalab.colorization.summary import PhotoResult, Summary
    from chromalab.core.executors import Executor

PART = 8
"""Number of photos per part."""


@dataclass(frozen=True)
class PartTask:
    """A part of a batch, as it is sent to a node.

    Attributes:
        model: path or name of the model on the sender's machine.
        model_sha256: hash of the model file; a node with another file must not take part.
        device: `cpu` or `cuda`.
        folder: the output folder.
        items: photos and outputs, with absolute paths.
        batch: settings of the batch.
        report: save the entries of the report.
        settings: hash of all settings that determine an output.
        version: chromalab version of the sender.
    """

    model: str
    model_sha256: str
    device: str
    folder: Path
    items: tuple[Item, ...]
    batch: Batch
    report: bool
    settings: str
    version: str = __version__


def run_batch_with(
    executor: Executor, engine: Engine, plan: Plan, batch: Batch, *, device: str = "cpu", report: bool = False
) -> Summary:
    """Colorize every photo of a plan that is not done yet, on the nodes of an executor.

    If the sender is killed, the same call resumes with the photos that are not done.

    Args:
        executor: runs the tasks.
        engine: the model on this machine.
        plan: photos and an output folder.
        batch: settings of the batch; the executor replaces its number of workers.
        device: device of the nodes, `cpu` or `cuda`.
        report: also write OUT/report.

    Raises:
        UsageError: the output is one file, a node lacks a file, or in the same cases as `run_batch`.
        OutputError: an output cannot be written.
    """
    if plan.folder is None:
        raise UsageError("a cluster needs an output folder: give DIR/ as the output")
    each = partial(_on_nodes, executor, engine, plan.folder, batch, device=device, report=report)
    return (run_with_report if report else run_batch)(engine, plan, batch, each=each)


def _on_nodes(
    executor: Executor,
    engine: Engine,
    folder: Path,
    batch: Batch,
    items: Sequence[Item],
    settings: str,
    *,
    device: str,
    report: bool,
) -> Iterator[tuple[Item, PhotoResult]]:
    parts = [items[start : start + PART] for start in range(0, len(items), PART)]
    bare = replace(batch, on_done=None, workers=1)
    model = str(engine.file.path.resolve())
    tasks = [
        PartTask(
            model, engine.file.sha256, device, folder.resolve(), tuple(map(_absolute, part)), bare, report, settings
        )
        for part in parts
    ]
    for outcome in executor.each(colorize_part, tasks):
        part = parts[outcome.index]
        if outcome.failure is not None and outcome.failure.exit_code == UsageError.exit_code:
            raise UsageError(outcome.failure.message)
        if outcome.failure is not None or outcome.result is None:
            reason = outcome.failure.message if outcome.failure is not None else "the node returned no result"
            results = [failed(item, reason) for item in part]
        else:
            results = outcome.result
        for item, result in zip(part, results, strict=True):
            paths = {"source": printable(item.source), "output": printable(item.output)}
            yield item, result.model_copy(update=paths)


def colorize_part(task: PartTask) -> list[PhotoResult]:
    """Colorize the photos of a part on this node, except those that an earlier attempt finished.

    Raises:
        UsageError: this node has another chromalab version or model, or cannot access the output folder.
        OutputError: an output cannot be written.
    """
    check_version(task.version)
    node = platform.node()
    if not task.folder.is_dir():
        raise UsageError(
            f"the node {node} has no folder {task.folder}: photos and outputs must be on a disk that all nodes share"
        )
    engine = engine_of(task.model, threads=task_threads(), device=task.device)
    if engine.file.sha256 != task.model_sha256:
        raise UsageError(f"the node {node} has another file at {task.model}: copy the same model to all nodes")
    batch = replace(task.batch, on_done=save_entries(engine, task.folder, task.batch)) if task.report else task.batch
    with open_part(task.folder, task.items[0].key) as journal:
        return [colorize_item(engine, item, batch, journal, task.settings) for item in task.items]


def _absolute(item: Item) -> Item:
    # Links are not resolved, because an output's suffix selects its file type.
    source, output = (Path(os.path.abspath(path)) for path in (item.source, item.output))  # noqa: PTH100
    return Item(source, output, item.name)

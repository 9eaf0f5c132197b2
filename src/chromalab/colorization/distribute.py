"""Parts of a batch as tasks for an executor: photos are read, colorized and written where a part lands.

Photos and the output folder lie on a disk that all nodes share, under the same paths. Every part has a journal of its
own, for two processes must not write into one; the batch reads them all.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.colorization.batch import PhotoLine, run_batch, work_through
from chromalab.colorization.engine import Engine
from chromalab.colorization.journal import open_part
from chromalab.colorization.plan import Item
from chromalab.colorization.reporting import keep_looks, run_with_report
from chromalab.core.errors import UsageError
from chromalab.core.executors import check_version, task_threads
from chromalab.version import __version__
from chromalab.weights.colorizers import find_colorizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chromalab.colorization.batch import Batch, Summary
    from chromalab.colorization.plan import Plan
    from chromalab.core.executors import Executor

PART = 8
"""Photos of a part."""


@dataclass(frozen=True)
class PartTask:
    """A part of a batch, as it is sent to a node.

    Attributes:
        model: path or name of the model, as the sender found it.
        model_sha256: its hash: a node with another file must not take part.
        device: `cpu` or `cuda`.
        folder: the output folder.
        items: photos and outputs, their paths absolute.
        batch: how they become files.
        report: keep what the report needs.
        settings: hash of everything that decides an output beside its photo.
        version: of chromalab at the sender's.
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
    """Colorize every photo of a plan that is not done, on whatever nodes there are.

    The sender may die: the same call goes on with the photos that are not done.

    Args:
        executor: who does it.
        engine: the model, as it is here.
        plan: photos and an output folder.
        batch: how photos become files; its number of workers is the executor's affair.
        device: of the nodes, `cpu` or `cuda`.
        report: write OUT/report, too.

    Raises:
        UsageError: the output is one file, or a node lacks something; and as `run_batch`.
        OutputError: an output can't be written.
    """
    if plan.folder is None:
        raise UsageError("a cluster writes into a folder: give DIR/ as the output")
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
) -> Iterator[tuple[Item, PhotoLine]]:
    parts = [items[start : start + PART] for start in range(0, len(items), PART)]
    bare = replace(batch, look=None, workers=1)
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
            reason = outcome.failure.message if outcome.failure is not None else "nothing came back"
            lines = [PhotoLine(source="", output="", status="failed", reason=reason) for _ in part]
        else:
            lines = outcome.result
        for item, line in zip(part, lines, strict=True):
            yield item, line.model_copy(update={"source": str(item.source), "output": str(item.output)})


def colorize_part(task: PartTask) -> list[PhotoLine]:
    """Colorize the photos of a part on this node; those that an earlier attempt did are not repeated.

    Raises:
        UsageError: this node has another chromalab or model, or does not see the output folder.
        OutputError: an output can't be written.
    """
    check_version(task.version)
    node = platform.node()
    if not task.folder.is_dir():
        raise UsageError(f"{node} does not see {task.folder}: photos and outputs must lie on a disk that all share")
    engine = _engine(task.model, task.device)
    if engine.file.sha256 != task.model_sha256:
        raise UsageError(f"{node} has another file at {task.model}: copy the same model there")
    batch = replace(task.batch, look=keep_looks(engine, task.folder, task.batch)) if task.report else task.batch
    with open_part(task.folder, task.items[0].name) as journal:
        return [work_through(engine, item, batch, journal, task.settings) for item in task.items]


@lru_cache(maxsize=1)
def _engine(model: str, device: str) -> Engine:
    return Engine(find_colorizer(model), threads=task_threads(), device=device)


def _absolute(item: Item) -> Item:
    # Links keep their names: an output's ending decides its format.
    source, output = (Path(os.path.abspath(path)) for path in (item.source, item.output))  # noqa: PTH100
    return Item(source, output, item.name)

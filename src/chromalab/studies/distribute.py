"""Runs of a study as tasks for an executor: each is opened, trained and measured where it lands.

A node that sees the study's folder, because a file system is shared, writes into it, as a local run would, and a run
that is tried again goes on from its checkpoint. A node that does not works in its own cache, and its files are sent
back. Photographs, their path and the weights must be there on every node.
"""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.core.executors import check_version
from chromalab.core.files import write_bytes
from chromalab.core.progress import progress
from chromalab.data.cache import default_cache_dir
from chromalab.losses.plugins import load_plugins
from chromalab.studies.config import SAMPLES
from chromalab.studies.opening import open_study, plugin_facts
from chromalab.studies.records import StudyRecord
from chromalab.studies.runs import execute_run, missing_runs, score_bounds
from chromalab.studies.study import StudyFolder
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.core.executors import Executor
    from chromalab.studies.config import DataSettings, StudyConfig
    from chromalab.studies.opening import Study
    from chromalab.training.settings import RuntimeSettings


@dataclass(frozen=True)
class RunTask:
    """One run, as it is sent to a node.

    Attributes:
        config: the study, its paths absolute.
        study_sha256: hash of the study as the sender sees it: a node with other photographs must not take part.
        folder: the study's folder at the sender's.
        run_id: which run.
        runtime: where and how to run.
        plugins: files of losses to load.
        version: of chromalab at the sender's.
    """

    config: StudyConfig
    study_sha256: str
    folder: Path
    run_id: str
    runtime: RuntimeSettings
    plugins: tuple[Path, ...] = ()
    version: str = __version__


RunFiles = dict[str, bytes]
"""Files of a run by their path in the study's folder, the record last; empty where the node wrote them itself."""


def run_study_with(executor: Executor, study: Study, runtime: RuntimeSettings, *, plugins: Sequence[Path] = ()) -> None:
    """Train and measure every run of a study that has no record yet, several at once.

    A run that fails does not stop the others. The sender may die: what ended before is there, and the same call goes on
    with the rest.

    Raises:
        ChromalabError: a run failed; the message is the first failure's, and says how many there were.
        OutputError: the disk is full or read-only.
    """
    score_bounds(study, runtime)
    missing = missing_runs(study)
    config = absolute_paths(study.config)
    files = tuple(path.resolve() for path in plugins)
    tasks = [
        RunTask(config, study.record.config_sha256, study.folder.root.resolve(), run.run_id, runtime, files)
        for run in missing
    ]
    failures = []
    done = len(study.runs) - len(missing)
    with progress("runs", len(study.runs), unit="runs", done=done) as advance:
        for outcome in executor.each(execute_task, tasks):
            name = tasks[outcome.index].run_id
            if outcome.failure is not None:
                failures.append((name, outcome.failure))
            for path, content in (outcome.result or {}).items():
                write_bytes(study.folder.root / path, content)
            advance(note=name)
    if failures:
        name, first = failures[0]
        raise _failed(f"{name}: {first.message} ({len(failures)} of {len(tasks)} runs failed)", first.exit_code)


def _failed(message: str, exit_code: int) -> ChromalabError:
    return UsageError(message) if exit_code == UsageError.exit_code else ChromalabError(message)


def execute_task(task: RunTask) -> RunFiles:
    """Train and measure a run on this node.

    Raises:
        UsageError: this node has another chromalab, other photographs, or lacks something.
        NonFiniteError: the training diverged.
    """
    check_version(task.version)
    node = platform.node()
    facts = plugin_facts(load_plugins(task.plugins))
    shared = _is_shared(task)
    root = task.folder if shared else default_cache_dir() / "runs" / task.study_sha256[:16] / task.run_id
    study = open_study(task.config, root, task.runtime, plugins=facts)
    if study.record.config_sha256 != task.study_sha256:
        raise UsageError(f"{node} sees other photographs or weights to start from than the sender: copy the same there")
    execute_run(study, task.run_id, task.runtime)
    if shared:
        return {}
    files = collect(root, task.run_id)
    shutil.rmtree(root, ignore_errors=True)
    return files


def _is_shared(task: RunTask) -> bool:
    """Return whether the folder of the study that this node sees is the sender's."""
    path = StudyFolder(task.folder).study_json
    return path.exists() and StudyRecord.load(path).config_sha256 == task.study_sha256


def collect(root: Path, run_id: str) -> RunFiles:
    """Return every file of a finished run, the record last: a run without a record is not finished."""
    folder = StudyFolder(root)
    paths = [
        path
        for part in (folder.pictures(run_id), folder.run(run_id))
        for path in sorted(part.rglob("*"))
        if path.is_file()
    ]
    paths.sort(key=lambda path: path == folder.run(run_id) / "record.json")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def absolute_paths(config: StudyConfig) -> StudyConfig:
    """Return the study with paths that mean the same in whatever folder a task runs."""
    network = config.training.network
    if network.start is not None and Path(network.start).exists():
        network = network.model_copy(update={"start": str(Path(network.start).resolve())})
    training = config.training.model_copy(update={"network": network})
    return config.model_copy(update={"data": _absolute_data(config.data), "training": training})


def _absolute_data(data: DataSettings) -> DataSettings:
    def absolute(entry: str) -> str:
        return str(Path(entry).resolve()) if entry != SAMPLES and Path(entry).exists() else entry

    exclude = [f"@{absolute(entry[1:])}" if entry.startswith("@") else entry for entry in data.exclude]
    return data.model_copy(
        update={
            "source": absolute(data.source),
            "test": [absolute(entry) for entry in data.test],
            "exclude": exclude,
            "prior": None if data.prior is None else absolute(data.prior),
        }
    )

"""Runs of a study as tasks for an executor, such as a cluster.

On a shared file system, a node writes into the study's folder as a local run would, and a run that is retried resumes
from its checkpoint. Otherwise the node works in its own cache and sends the files of the run back. Photos and weights
must be available on every node under the same paths.
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
from chromalab.studies.plan import save_plan
from chromalab.studies.records import StudyRecord
from chromalab.studies.runs import execute_run, missing_runs, score_bounds
from chromalab.studies.study import StudyFolder
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.core.executors import Executor
    from chromalab.studies.config import DataSettings, StudyConfig
    from chromalab.studies.opening import Study
    from chromalab.studies.plan import PlanRecord
    from chromalab.training.settings import RuntimeSettings


@dataclass(frozen=True)
class RunTask:
    """One run in the form that is sent to a node.

    Attributes:
        config: the study, with absolute paths.
        study_sha256: hash of the study on the sender; a node with other photos must not take part.
        folder: the study's folder on the sender.
        run_id: name of the run.
        runtime: device and threads.
        plugins: files of losses to load.
        plan: the frozen plan. A node would freeze its own at another time, and so under another hash.
        version: version of chromalab on the sender.
    """

    config: StudyConfig
    study_sha256: str
    folder: Path
    run_id: str
    runtime: RuntimeSettings
    plugins: tuple[Path, ...] = ()
    plan: PlanRecord | None = None
    version: str = __version__


RunFiles = dict[str, bytes]
"""Files of a run by their path in the study's folder, the record last; empty if the node wrote them itself."""


def run_study_with(executor: Executor, study: Study, runtime: RuntimeSettings, *, plugins: Sequence[Path] = ()) -> None:
    """Train and score every run of a study that has no record yet, several in parallel.

    A run that fails does not stop the others. If the sender is interrupted, finished runs are kept, and the same call
    resumes with the rest.

    Raises:
        ChromalabError: a run failed; the message is that of the first failure, with the number of failures.
        OutputError: the disk is full or read-only.
    """
    score_bounds(study, runtime)
    missing = missing_runs(study)
    config = absolute_paths(study.config)
    files = tuple(path.resolve() for path in plugins)
    tasks = [
        RunTask(config, study.record.config_sha256, study.folder.root.resolve(), run.run_id, runtime, files, study.plan)
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
    """Train and score a run on this node.

    Raises:
        UsageError: this node has another version of chromalab or other photos, or lacks files.
        NonFiniteError: the training diverged.
    """
    check_version(task.version)
    node = platform.node()
    facts = plugin_facts(load_plugins(task.plugins))
    shared = _is_shared(task)
    root = task.folder if shared else default_cache_dir() / "runs" / task.study_sha256[:16] / task.run_id
    if not shared and task.plan is not None:
        save_plan(task.plan, root)
    study = open_study(task.config, root, task.runtime, plugins=facts)
    if study.record.config_sha256 != task.study_sha256:
        raise UsageError(f"{node} has other photos or initial weights than the sender; copy those of the sender to it")
    execute_run(study, task.run_id, task.runtime)
    if shared:
        return {}
    files = collect(root, task.run_id)
    shutil.rmtree(root, ignore_errors=True)
    return files


def _is_shared(task: RunTask) -> bool:
    """Return whether this node and the sender share the folder of the study."""
    path = StudyFolder(task.folder).study_json
    return path.exists() and StudyRecord.load(path).config_sha256 == task.study_sha256


def collect(root: Path, run_id: str) -> RunFiles:
    """Return every file of a finished run, the record last, because a run without a record is not finished."""
    folder = StudyFolder(root)
    paths = [
        path
        for part in (folder.images(run_id), folder.run(run_id))
        for path in sorted(part.rglob("*"))
        if path.is_file()
    ]
    paths.sort(key=lambda path: path == folder.run(run_id) / "record.json")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def absolute_paths(config: StudyConfig) -> StudyConfig:
    """Return the study with absolute paths, which do not depend on the working directory of a task."""
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

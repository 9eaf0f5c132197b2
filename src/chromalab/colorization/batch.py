"""Colorizing many photos in parallel, resumably, with a reason for every failure."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chromalab.colorization.colorizer import colorize_file
from chromalab.colorization.journal import (
    Identity,
    Journal,
    Line,
    State,
    identity,
    open_journal,
    read_journal,
    sha256_or_none,
)
from chromalab.colorization.options import Options
from chromalab.colorization.summary import PhotoResult, Summary, closed_folders, left_out_files, write_messages
from chromalab.colorization.video.codecs import Encoding, UnfitFilmError, check_encoding, is_film
from chromalab.colorization.video.sequence import is_sequence
from chromalab.core.errors import ChromalabError, ConfigError, OutputError, UsageError
from chromalab.core.files import (
    delete_abandoned,
    explain_write_errors,
    is_folder,
    printable,
    read_fault,
    sha256_file,
    write_text,
)
from chromalab.core.progress import progress
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.writing import TEMPORARY, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.colorization.disclosure import Disclosure
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Job
    from chromalab.colorization.plan import Plan
    from chromalab.colorization.records import Colorized, FilmRecord, Item
    from chromalab.colorization.small import SmallColors

_REMEDY = "pass --overwrite or choose another folder"
_FOLDER = "rename it, or choose another output folder"
Obstacle = Literal[State, "folder", "foreign record", "record folder"]
"""The state of an output and its record; all but `new` keep the photo from being colorized."""

Outlook = Literal[Obstacle, "replaced"]
"""What becomes of a photo: `new` and `replaced` are colorized, those of `_FINISHED` are kept, and the others fail."""

_FINISHED = frozenset({"done", "output changed"})
"""A changed output, for example with tags or with colors corrected by hand, is finished: nothing replaces it."""

_REASONS: dict[Obstacle, str] = {
    "folder": f"a folder has the name of the output: {_FOLDER}",
    "record folder": f"a folder has the name of the record beside the output: {_FOLDER}",
    "foreign record": f"the record beside the output already exists and is not from chromalab: {_REMEDY}",
    "foreign": f"the output already exists and is not from this batch: {_REMEDY}",
    "other settings": f"the output already exists, made with other settings: {_REMEDY}",
    "source changed": f"the output already exists, and its photo has changed since: {_REMEDY}",
}


@dataclass(frozen=True)
class Batch:
    """The settings of a batch.

    Attributes:
        job: settings of colors and files.
        workers: number of photos that are processed at a time.
        overwrite: replace existing outputs that are not from this batch.
        sidecar: write a JSON record beside every output.
        overlay: painted hints for all photos, RGBA, (H, W, 4).
        on_done: called with every photo that this call colorized, its result and its small copy; for a film with its
            record.
    """

    job: Job
    workers: int = 1
    overwrite: bool = False
    sidecar: bool = True
    overlay: NDArray[np.uint8] | None = None
    on_done: Callable[[Item, Colorized, SmallColors | FilmRecord], None] | None = field(default=None, compare=False)


Each = Callable[[Sequence["Item"], str], Iterator[tuple["Item", PhotoResult]]]
"""A function that colorizes items elsewhere, given the hash of the settings; yields each item with its result."""


def run_batch(engine: Engine, plan: Plan, batch: Batch, *, each: Each | None = None) -> Summary:
    """Colorize every photo of a plan that is not done yet.

    A photo or film that cannot be colorized is reported with its reason, and the batch continues. If the disk is full,
    the batch ends, and the same call resumes it later.

    Args:
        engine: the model.
        plan: photos and outputs.
        batch: settings of the batch.
        each: function that colorizes the photos of a folder; None uses threads of this process.

    Raises:
        UsageError: the model does not match its record, the codec does not take the settings, or another process uses
            the folder.
        OutputError: an output cannot be written.
    """
    if plan.folder is None:
        return _run_one(engine, plan, batch)
    check_encoding(batch.job.encoding, [item.output for item in plan.items if is_film(item.output)])
    settings = settings_sha256(engine, batch)
    with open_journal(plan.folder) as journal:
        _delete_partial_files(plan)
        results = {
            item.name: _known(journal, item, _state(journal, item, settings, batch), batch) for item in plan.items
        }
        waiting = [item for item in plan.items if results[item.name] is None]

        def work(item: Item) -> PhotoResult:
            return _attempt(engine, item, batch, journal, settings)

        # Here a film keeps all processors busy by itself, and shows its own progress.
        alone = {item.name for item in plan.items if each is None and is_film(item.output)}
        others = [item for item in waiting if item.name not in alone]
        found = _in_threads(work, others, batch.workers) if each is None else each(others, settings)
        if total := len(plan.items) - len(alone):
            with progress("colorizing", total, done=total - len(others)) as advance:
                for item, result in found:
                    results[item.name] = result
                    advance()
        results |= {item.name: work(item) for item in waiting if item.name in alone}
        journal.take_parts()
        summary = _summary(engine, plan, [result for result in results.values() if result is not None])
        write_messages(plan.folder, summary)
    return summary


def _summary(engine: Engine, plan: Plan, photos: list[PhotoResult]) -> Summary:
    return Summary(
        model=engine.spec.name,
        model_sha256=engine.file.sha256,
        photos=[*photos, *closed_folders(plan)],
        left_out=left_out_files(plan),
    )


def _delete_partial_files(plan: Plan) -> None:
    """Delete partial files of killed processes.

    The journal's lock does not tell whether a process is still writing them: a single photo takes none, and a batch
    into a folder above has another journal.
    """
    for folder in {item.output.parent for item in plan.items}:
        with contextlib.suppress(OSError):  # a closed folder; the photos that belong there will fail
            for path in folder.glob(".*"):
                if path.name.startswith(TEMPORARY) or (path.name.endswith(".part") and ".json." in path.name):
                    with contextlib.suppress(OSError):
                        delete_abandoned(path)


def look_ahead(engine: Engine, plan: Plan, batch: Batch) -> Counter[Outlook]:
    """Count the photos by what would become of them, without colorizing any."""
    if plan.folder is None:
        (item,) = plan.items
        state: Obstacle = _obstacle(item, batch) or ("foreign" if os.path.lexists(item.output) else "new")
        return Counter([_outlook(state, batch)])
    settings, journal = settings_sha256(engine, batch), read_journal(plan.folder)
    return Counter(_outlook(_state(journal, item, settings, batch), batch) for item in plan.items)


def _outlook(state: Obstacle, batch: Batch) -> Outlook:
    return "replaced" if state != "new" and _is_waiting(state, batch) else state


def _is_waiting(state: Obstacle, batch: Batch) -> bool:
    """Return whether a photo is to be colorized."""
    return state == "new" or (batch.overwrite and state not in _FINISHED | {"folder", "record folder"})


def _run_one(engine: Engine, plan: Plan, batch: Batch) -> Summary:
    (item,) = plan.items
    if os.path.lexists(item.output) and not batch.overwrite:
        raise UsageError(f"{item.output} already exists: pass --overwrite or choose another name")
    obstacle = _obstacle(item, batch)
    if obstacle is not None and (obstacle != "foreign record" or not batch.overwrite):
        raise UsageError(f"{item.sidecar} is in the way: {_REASONS[obstacle]}")
    return _summary(engine, plan, [_attempt(engine, item, batch, None, "")])


def _state(journal: Journal, item: Item, settings: str, batch: Batch) -> Obstacle:
    """Return the state of an output and of the record beside it."""
    if is_folder(item.output):
        return "folder"
    state = journal.state(item, settings)
    return state if state != "new" else _obstacle(item, batch) or state


def _obstacle(item: Item, batch: Batch) -> Obstacle | None:
    """Return what has the name of the record that is to be written, unless it is an earlier record."""
    if not batch.sidecar or not os.path.lexists(item.sidecar):
        return None
    if is_folder(item.sidecar):
        return "record folder"
    return None if has_own_record(item) else "foreign record"


def has_own_record(item: Item) -> bool:
    """Return whether a record that chromalab wrote lies beside an output."""
    try:
        record = json.loads(item.sidecar.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and "model_sha256" in record and record.get("output") == printable(item.output.name)


def _known(journal: Journal, item: Item, state: Obstacle, batch: Batch) -> PhotoResult | None:
    """Return the result of a photo that is not to be colorized, or None."""
    if state in _FINISHED:
        result = _result(journal.result(item), "resumed")
        # The journal may hold another node's paths.
        update: dict[str, object] = {"source": printable(item.source), "output": printable(item.output)}
        if state == "output changed":
            update["warnings"] = [*result.warnings, "the output was changed after this batch wrote it, and is kept"]
        return result.model_copy(update=update)
    if _is_waiting(state, batch):
        return None
    return failed(item, _REASONS[state])


def failed(item: Item, reason: str) -> PhotoResult:
    """Return the result of a photo that could not be colorized."""
    return PhotoResult(
        source=printable(item.source), output=printable(item.output), status="failed", reason=printable(reason)
    )


def _in_threads(
    work: Callable[[Item], PhotoResult], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, PhotoResult]]:
    """Process items in several threads, with at most a few waiting, and yield each with its result when done."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="colorize")
    running: dict[Future[PhotoResult], Item] = {}
    try:
        for item in items:
            running[pool.submit(work, item)] = item
            if len(running) >= 2 * workers:
                yield from _finished(running)
        while running:
            yield from _finished(running)
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(running: dict[Future[PhotoResult], Item]) -> Iterable[tuple[Item, PhotoResult]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        item = running.pop(future)
        yield item, future.result()


def colorize_item(engine: Engine, item: Item, batch: Batch, journal: Journal, settings: str) -> PhotoResult:
    """Colorize one photo unless the journal has it as done."""
    if journal.state(item, settings) == "done":
        return _result(journal.result(item), "done")
    return _attempt(engine, item, batch, journal, settings)


def _attempt(engine: Engine, item: Item, batch: Batch, journal: Journal | None, settings: str) -> PhotoResult:
    """Colorize one photo, and catch errors that concern only this photo."""
    source = identity(item.source)

    def ready(result: Colorized, disclosure: Disclosure, file: Path) -> None:
        sha256 = _source_sha256(item.source) if batch.sidecar or journal is not None else None
        if batch.sidecar:
            write_sidecar(item, result, disclosure, sha256)
        elif has_own_record(item):  # it describes what the output replaces
            with explain_write_errors(item.sidecar):
                item.sidecar.unlink()
        if journal is not None:
            line = Line(
                name=item.key,
                settings=settings,
                source=source or (0, 0),
                before=_replaced(item, batch),
                result=result,
                path=printable(item.source.absolute()),
                source_sha256=sha256,
                written=identity(file),
                output_sha256=sha256_or_none(file),
            )
            journal.write(line)

    try:
        result, small = colorize_file(engine, item.source, item.output, batch.job, overlay=batch.overlay, ready=ready)
    except Exception as error:
        if journal is None and (isinstance(error, ConfigError | UnfitFilmError) or not _is_expected(error)):
            raise
        return failed(item, reason_of(error))
    if batch.on_done is not None:
        try:
            batch.on_done(item, result, small)
        except Exception as error:
            result = result.model_copy(update={"warnings": [*result.warnings, no_entry(error)]})
    return _result(result, "done")


def _replaced(item: Item, batch: Batch) -> Identity | None:
    """Return the identity of the file that an output is about to replace, which must differ from that of the output."""
    if batch.job.keep_times:  # an output of the same size would get the same time, and so the same identity
        with contextlib.suppress(OSError):
            os.utime(item.output)
    return identity(item.output)


def no_entry(error: Exception) -> str:
    """Return the warning that a photo is missing from the report; it raises errors as `reason_of` does."""
    return f"the report has no entry of it: {printable(reason_of(error))}"


def reason_of(error: Exception) -> str:
    """Return the reason for the failure of one photo.

    Raises:
        UsageError: the model or the options fail for every photo.
        OutputError: nothing can be written.
    """
    match error:
        case UnreadablePhotoError():
            return error.reason
        # A hint is outside this photo, or the file type has no room for it.
        case ConfigError() | TooLargeError() | UnfitFilmError():
            return str(error)
        case OutputError(one_path=True):
            return str(error)
        case OutputError() | UsageError():
            raise error
        case MemoryError():
            return "the memory is too small for it: reduce --workers"
    # A bug that shows up with one photo must not end the whole batch.
    return f"chromalab has a bug, please report it: {type(error).__name__}: {error}"


def _is_expected(error: Exception) -> bool:
    return isinstance(error, ChromalabError | MemoryError)


def _source_sha256(source: Path) -> str | None:
    """Return the hash of a photo; None for an image sequence."""
    try:
        return None if is_sequence(source) else sha256_file(source)
    except OSError as error:
        raise UnreadablePhotoError(
            source, f"it was gone before the output was finished: {read_fault(error)}"
        ) from error


def write_sidecar(item: Item, result: Colorized, disclosure: Disclosure, source_sha256: str | None) -> None:
    """Write the record beside an output: its disclosure, its source and its result."""
    record = {
        "schema_version": 1,
        **disclosure.model_dump(mode="json"),
        "source": printable(item.source.name),
        "source_sha256": source_sha256,
        "output": printable(item.output.name),
        **result.model_dump(mode="json", exclude={"source", "output"}),
    }
    write_text(item.sidecar, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def settings_sha256(engine: Engine, batch: Batch) -> str:
    """Return the hash of all settings that determine an output, given its photo."""
    job = batch.job
    options = job.options
    if options.sample is None:  # a best guess has no temperature; the default keeps the hashes of earlier journals
        options = options.model_copy(update={"temperature": Options.model_fields["temperature"].default})
    parts = [
        engine.file.sha256,
        engine.spec.model_dump_json(),
        options.model_dump_json(),
        repr(job.saving),
        *([repr(job.encoding)] if job.encoding != Encoding() else []),
        job.source_type,
        job.label,
        "" if batch.overlay is None else hashlib.sha256(batch.overlay.tobytes()).hexdigest(),
        *(json.dumps(reference.described()) for reference in job.references),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _result(result: Colorized, status: Literal["done", "resumed"]) -> PhotoResult:
    return PhotoResult.model_validate(result.model_dump(exclude={"kept_aside"}) | {"status": status})

"""Colorizing many photos in parallel, resumably, with a reason for every failure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chromalab.colorization.colorizer import Colorized, colorize_file
from chromalab.colorization.journal import Journal, Line, identity, open_journal, read_journal
from chromalab.core.errors import ConfigError, OutputError, UsageError
from chromalab.core.files import sha256_file, write_text
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.writing import TEMPORARY

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.colorization.disclosure import Disclosure
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.journal import State
    from chromalab.colorization.options import Job
    from chromalab.colorization.plan import Item, Plan
    from chromalab.colorization.small import SmallColors

_REMEDY = "pass --overwrite or choose another folder"
_REASONS = {
    "foreign": f"the output already exists and is not from this batch: {_REMEDY}",
    "other settings": f"the output already exists, made with other settings: {_REMEDY}",
    "source changed": f"the output already exists, and its photo has changed since: {_REMEDY}",
}


class PhotoResult(Record):
    """The result of one photo of a batch; see `Colorized` for the fields without a description.

    Attributes:
        source: path of the photo, as given.
        output: path of the output.
        status: `done` (by this call), `resumed` (done by an earlier call) or `failed`.
        reason: why the photo failed; None if it did not.
        seconds: time for reading, colorizing and writing.
        warnings: what of the photo is damaged or left out, a sentence each.
    """

    source: str
    output: str
    status: Literal["done", "resumed", "failed"]
    reason: str | None = None
    seconds: float | None = None
    lightness_error: float | None = None
    gamut_share: float | None = None
    mean_chroma: float | None = None
    height: int | None = None
    width: int | None = None
    bits: int | None = None
    pages: int | None = None
    warnings: list[str] = []


class Summary(Record):
    """The results of a batch.

    Attributes:
        model: name of the model.
        model_sha256: hash of the model file.
        photos: the results of all photos, in the order of the plan.
    """

    schema_version: int = 1
    model: str
    model_sha256: str
    photos: list[PhotoResult]

    def count(self, status: str) -> int:
        """Return how many photos have this status."""
        return sum(photo.status == status for photo in self.photos)

    def reasons(self) -> list[tuple[str, int, str]]:
        """Return the reasons of failures, each with its number of photos and the first photo; frequent ones first."""
        failed = [photo for photo in self.photos if photo.status == "failed"]
        counts = Counter(photo.reason or "" for photo in failed)
        return [
            (reason, count, next(photo.source for photo in failed if (photo.reason or "") == reason))
            for reason, count in counts.most_common()
        ]


@dataclass(frozen=True)
class Batch:
    """The settings of a batch.

    Attributes:
        job: settings of colors and files.
        workers: number of photos that are processed at a time.
        overwrite: replace existing outputs that are not from this batch.
        sidecar: write a JSON record beside every output.
        overlay: painted hints for all photos, RGBA, (H, W, 4).
        on_done: called with every photo that this call colorized, its result and its small copy.
    """

    job: Job
    workers: int = 1
    overwrite: bool = False
    sidecar: bool = True
    overlay: NDArray[np.uint8] | None = None
    on_done: Callable[[Item, Colorized, SmallColors], None] | None = field(default=None, compare=False)


Each = Callable[[Sequence["Item"], str], Iterator[tuple["Item", PhotoResult]]]
"""A function that colorizes items elsewhere, given the hash of the settings; yields each item with its result."""


def run_batch(engine: Engine, plan: Plan, batch: Batch, *, each: Each | None = None) -> Summary:
    """Colorize every photo of a plan that is not done yet.

    A photo that cannot be colorized is reported with its reason, and the batch continues. If the disk is full, the
    batch ends, and the same call resumes it later.

    Args:
        engine: the model.
        plan: photos and outputs.
        batch: settings of the batch.
        each: function that colorizes the photos of a folder; None uses threads of this process.

    Raises:
        UsageError: the model does not match its record, or another process uses the folder.
        OutputError: an output cannot be written.
    """
    if plan.folder is None:
        return _run_one(engine, plan.items[0], batch)
    settings = settings_sha256(engine, batch)
    with open_journal(plan.folder) as journal:
        _delete_partial_files(plan)
        results = {item.name: _known(journal, item, journal.state(item, settings), batch) for item in plan.items}
        waiting = [item for item in plan.items if results[item.name] is None]

        def work(item: Item) -> PhotoResult:
            return _attempt(engine, item, batch, journal, settings)

        found = _in_threads(work, waiting, batch.workers) if each is None else each(waiting, settings)
        with progress("colorizing", len(plan.items), done=len(plan.items) - len(waiting)) as advance:
            for item, result in found:
                results[item.name] = result
                advance()
        journal.take_parts()
    return _summary(engine, [result for result in results.values() if result is not None])


def _summary(engine: Engine, photos: list[PhotoResult]) -> Summary:
    return Summary(model=engine.spec.name, model_sha256=engine.file.sha256, photos=photos)


def _delete_partial_files(plan: Plan) -> None:
    """Delete partial files of a killed process; the journal's lock ensures that no other process is writing them."""
    for folder in {item.output.parent for item in plan.items}:
        for path in folder.glob(".*"):
            if path.name.startswith(TEMPORARY) or (path.name.endswith(".part") and ".json." in path.name):
                path.unlink(missing_ok=True)


def look_ahead(engine: Engine, plan: Plan, batch: Batch) -> Counter[str]:
    """Count the photos by the state of their outputs, without colorizing any."""
    if plan.folder is None:
        return Counter({"foreign" if plan.items[0].output.exists() else "new": 1})
    settings, journal = settings_sha256(engine, batch), read_journal(plan.folder)
    return Counter(journal.state(item, settings) for item in plan.items)


def _run_one(engine: Engine, item: Item, batch: Batch) -> Summary:
    if item.output.exists() and not batch.overwrite:
        raise UsageError(f"{item.output} already exists: pass --overwrite or choose another name")
    return _summary(engine, [_attempt(engine, item, batch, None, "")])


def _known(journal: Journal, item: Item, state: State, batch: Batch) -> PhotoResult | None:
    """Return the result of a photo that is not to be colorized, or None."""
    if state == "done":  # the journal may hold another node's paths
        paths = {"source": str(item.source), "output": str(item.output)}
        return _result(journal.result(item), "resumed").model_copy(update=paths)
    if state == "new" or batch.overwrite:
        return None
    return failed(item, _REASONS[state])


def failed(item: Item, reason: str) -> PhotoResult:
    """Return the result of a photo that could not be colorized."""
    return PhotoResult(source=str(item.source), output=str(item.output), status="failed", reason=reason)


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
    before, source = identity(item.output), identity(item.source)

    def ready(result: Colorized, disclosure: Disclosure) -> None:
        if batch.sidecar:
            write_sidecar(item, result, disclosure)
        if journal is not None:
            journal.write(
                Line(name=item.name, settings=settings, source=source or (0, 0), before=before, result=result)
            )

    try:
        result, small = colorize_file(engine, item.source, item.output, batch.job, overlay=batch.overlay, ready=ready)
    except Exception as error:
        reason = _reason(error)
        if reason is None and journal is None:
            raise
        if reason is None:  # a bug that shows up with one photo must not end the whole batch
            reason = f"chromalab has a bug, please report it: {type(error).__name__}: {error}"
        return failed(item, reason)
    if batch.on_done is not None:
        batch.on_done(item, result, small)
    return _result(result, "done")


def _reason(error: Exception) -> str | None:
    """Return the reason for the failure of one photo, or None for an unexpected error.

    Raises:
        UsageError: the model or the options fail for every photo.
        OutputError: nothing can be written.
    """
    match error:
        case UnreadablePhotoError():
            return error.reason
        case ConfigError():  # a hint is outside this photo
            return str(error)
        case OutputError() | UsageError():
            raise error
        case MemoryError():
            return "the memory is too small for it: reduce --workers"
    return None


def write_sidecar(item: Item, result: Colorized, disclosure: Disclosure) -> None:
    """Write the record beside an output: its disclosure, its source and its result."""
    record = {
        "schema_version": 1,
        **disclosure.model_dump(mode="json"),
        "source": item.source.name,
        "source_sha256": sha256_file(item.source),
        "output": item.output.name,
        **result.model_dump(mode="json", exclude={"source", "output"}),
    }
    path = item.output.with_name(item.output.name + ".json")
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def settings_sha256(engine: Engine, batch: Batch) -> str:
    """Return the hash of all settings that determine an output, given its photo."""
    job = batch.job
    parts = [
        engine.file.sha256,
        engine.spec.model_dump_json(),
        job.options.model_dump_json(),
        repr(job.saving),
        job.source_type,
        job.label,
        "" if batch.overlay is None else hashlib.sha256(batch.overlay.tobytes()).hexdigest(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _result(result: Colorized, status: Literal["done", "resumed"]) -> PhotoResult:
    return PhotoResult.model_validate(result.model_dump(exclude={"kept_aside"}) | {"status": status})

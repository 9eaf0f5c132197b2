"""Many photos: side by side, resumable, and honest about what failed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chromalab.colorization.colorizer import Colorized, Job, colorize_file
from chromalab.colorization.journal import Journal, Line, identity, open_journal, read_lines
from chromalab.core.errors import ConfigError, OutputError, UsageError
from chromalab.core.files import write_text
from chromalab.core.hashing import sha256_file
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.photo._vips import VipsError
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.photo.writing import TEMPORARY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.colorization.disclosure import Disclosure
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.plan import Item, Plan
    from chromalab.colorization.small import SmallColors

_REASONS = {
    "foreign": "the output exists, and is not of this batch: --overwrite, or another folder",
    "other settings": "the output exists, made with other settings: --overwrite, or another folder",
    "source changed": "the output exists, and its photo has changed since: --overwrite, or another folder",
}


class PhotoLine(Record):
    """A photo in the list that `--json` writes.

    Attributes:
        source: the photo, as it was given.
        output: the file.
        status: `done` now, `resumed` (done by an earlier call), or `failed`.
        reason: why it failed.
        seconds: reading, colorizing and writing.
        lightness_error: see `Colorized`.
        gamut_share: see `Colorized`.
        mean_chroma: see `Colorized`.
        height: of the output.
        width: of the output.
        bits: of the output.
        pages: of the output.
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


class Summary(Record):
    """What came of a batch.

    Attributes:
        model: name of the model.
        model_sha256: hash of its file.
        photos: every photo, in the order of the plan.
    """

    schema_version: int = 1
    model: str
    model_sha256: str
    photos: list[PhotoLine]

    def count(self, status: str) -> int:
        """Return how many photos have this status."""
        return sum(photo.status == status for photo in self.photos)

    def reasons(self) -> list[tuple[str, int, str]]:
        """Return why photos failed: reason, how many, and the first of them; the most frequent first."""
        failed = [photo for photo in self.photos if photo.status == "failed"]
        counts = Counter(photo.reason or "" for photo in failed)
        return [
            (reason, count, next(photo.source for photo in failed if (photo.reason or "") == reason))
            for reason, count in counts.most_common()
        ]


@dataclass(frozen=True)
class Batch:
    """How a batch is done.

    Attributes:
        job: how photos become files.
        workers: photos at a time.
        overwrite: replace outputs that are there and are not of this batch.
        sidecar: write a JSON record beside every output.
        overlay: hints painted on a picture, for all photos.
        look: told of every photo that was done, with its small copy.
    """

    job: Job
    workers: int = 1
    overwrite: bool = False
    sidecar: bool = True
    overlay: NDArray[np.uint8] | None = None
    look: Callable[[Item, Colorized, SmallColors], None] | None = field(default=None, compare=False)


Each = Callable[[Sequence["Item"], str], Iterator[tuple["Item", PhotoLine]]]
"""Colorizes photos somewhere else: given them and the hash of the settings, it gives each with its line when done."""


def run_batch(engine: Engine, plan: Plan, batch: Batch, *, each: Each | None = None) -> Summary:
    """Colorize every photo of a plan that is not done.

    A photo that can't be colorized is named with its reason, and the others go on. Where the disk is full nothing goes
    on, and the same command finishes the work later.

    Args:
        engine: the model.
        plan: photos and outputs.
        batch: how photos become files.
        each: what colorizes the photos of a folder; threads of this process where it is None.

    Raises:
        UsageError: the model does not do what its record says, or another process uses the folder.
        OutputError: an output can't be written.
    """
    if plan.folder is None:
        return _one(engine, plan.items[0], batch)
    settings = settings_sha256(engine, batch)
    with open_journal(plan.folder) as journal:
        _sweep(plan)
        states = {item.name: journal.state(item, settings) for item in plan.items}
        lines = {item.name: _known(journal, item, states[item.name], batch) for item in plan.items}
        waiting = [item for item in plan.items if lines[item.name] is None]

        def work(item: Item) -> PhotoLine:
            return _attempt(engine, item, batch, journal, settings)

        found = _side_by_side(work, waiting, batch.workers) if each is None else each(waiting, settings)
        with progress("colorizing", len(plan.items), done=len(plan.items) - len(waiting)) as advance:
            for item, line in found:
                lines[item.name] = line
                advance()
        journal.take_parts()
    done = [line for line in lines.values() if line is not None]
    return Summary(model=engine.spec.name, model_sha256=engine.file.sha256, photos=done)


def _sweep(plan: Plan) -> None:
    """Take away what a process that was killed left half-written; nobody else writes here, for the journal is ours."""
    for folder in {item.output.parent for item in plan.items}:
        for path in folder.glob(".*"):
            if path.name.startswith(TEMPORARY) or (path.name.endswith(".part") and ".json." in path.name):
                path.unlink(missing_ok=True)


def look_ahead(engine: Engine, plan: Plan, batch: Batch) -> Counter[str]:
    """Return how many photos are new, done, or in the way of an existing file, without doing anything."""
    if plan.folder is None:
        return Counter({"foreign" if plan.items[0].output.exists() else "new": 1})
    settings = settings_sha256(engine, batch)
    journal = Journal(plan.folder, _Nowhere(), read_lines(plan.folder))  # type: ignore[arg-type]
    return Counter(journal.state(item, settings) for item in plan.items)


class _Nowhere:
    """Stands where a file would be that is not written."""


def _one(engine: Engine, item: Item, batch: Batch) -> Summary:
    if item.output.exists() and not batch.overwrite:
        raise UsageError(f"{item.output} exists: --overwrite replaces it, or choose another name")
    line = _attempt(engine, item, batch, None, "")
    return Summary(model=engine.spec.name, model_sha256=engine.file.sha256, photos=[line])


def _known(journal: Journal, item: Item, state: str, batch: Batch) -> PhotoLine | None:
    """Return the line of a photo for which nothing is to be done, or None."""
    if state == "done":  # a node wrote down its own paths
        names = {"source": str(item.source), "output": str(item.output)}
        return _line(journal.result(item), "resumed").model_copy(update=names)
    if state == "new" or batch.overwrite:
        return None
    return PhotoLine(source=str(item.source), output=str(item.output), status="failed", reason=_REASONS[state])


def _side_by_side(
    work: Callable[[Item], PhotoLine], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, PhotoLine]]:
    """Do the items with several threads, at most a few ahead, and give each with its line as it is done."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="colorize")
    running: dict[Future[PhotoLine], Item] = {}
    try:
        for item in items:
            running[pool.submit(work, item)] = item
            if len(running) >= 2 * workers:
                yield from _finished(running)
        while running:
            yield from _finished(running)
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(running: dict[Future[PhotoLine], Item]) -> Iterable[tuple[Item, PhotoLine]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        item = running.pop(future)
        yield item, future.result()


def work_through(engine: Engine, item: Item, batch: Batch, journal: Journal, settings: str) -> PhotoLine:
    """Colorize one photo, if the journal does not say that it was done."""
    if journal.state(item, settings) == "done":
        return _line(journal.result(item), "done")
    return _attempt(engine, item, batch, journal, settings)


def _attempt(engine: Engine, item: Item, batch: Batch, journal: Journal | None, settings: str) -> PhotoLine:
    """Colorize one photo; what is wrong with it becomes its reason."""
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
        if reason is None:  # one photo that trips over a fault of ours must not end a night's work
            reason = f"an error of chromalab, please report it: {type(error).__name__}: {error}"
        return PhotoLine(source=str(item.source), output=str(item.output), status="failed", reason=reason)
    if batch.look is not None:
        batch.look(item, result, small)
    return _line(result, "done")


def _reason(error: Exception) -> str | None:
    """Return why one photo failed, or None where nobody expects this error.

    Raises:
        UsageError: the model or the options fit no photo, so going on is of no use.
        OutputError: nothing can be written.
    """
    match error:
        case UnreadablePhotoError():
            return error.reason
        case ConfigError():  # a hint that lies outside this photo
            return str(error)
        case OutputError() | UsageError():
            raise error
        case VipsError():
            return "it is cut off or damaged: its pixels can't be read to the end"
        case MemoryError():
            return "there is not enough memory for it: fewer --workers"
    return None


def write_sidecar(item: Item, result: Colorized, disclosure: Disclosure) -> None:
    """Write the record beside an output: what it is, of which photo, and how it was made."""
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
    """Return the hash of everything that decides an output beside its photo."""
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


def _line(result: Colorized, status: Literal["done", "resumed"]) -> PhotoLine:
    return PhotoLine.model_validate(result.model_dump() | {"status": status})


def save_summary(path: Path, summary: Summary) -> None:
    """Write the list of photos as JSON."""
    summary.save(path)

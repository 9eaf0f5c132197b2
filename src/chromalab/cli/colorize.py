"""`chromalab colorize`: color versions of photos, alone or in batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from chromalab.cli.options import (
    COLOR,
    FILM,
    MODEL,
    OUTPUT,
    PERFORMANCE,
    RECORDS,
    VERSIONS,
    Address,
    CpusPerTask,
    Default,
    ExecutorName,
    GpusPerTask,
    OptionsFile,
    Retries,
    millions,
    option,
    ray_executor,
    switch,
    task_resources,
    units,
)

if TYPE_CHECKING:
    from collections import Counter

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.colorization.batch import Batch, Outlook
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.options import Job, Options
    from chromalab.colorization.plan import Plan
    from chromalab.colorization.summary import Summary
    from chromalab.colorization.video.codecs import Encoding

_SOME_FAILED = 1
_SourceWord = Literal["composite", "enhanced"]
_STATES: dict[Outlook, str] = {
    "new": "to colorize",
    "replaced": "to colorize, replacing what exists",
    "done": "finished already",
    "foreign": "blocked: an output of that name exists and is not from this batch",
    "output changed": "finished already, and changed since",
    "other settings": "blocked: the output exists and was made with other settings",
    "source changed": "blocked: the output exists, and its photo has changed since",
    "folder": "blocked: a folder has the name of the output",
    "record folder": "blocked: a folder has the name of the record",
    "foreign record": "blocked: a record of that name exists and is not from chromalab",
}
_OPTIONS, _JOB = "chromalab.colorization.options:Options", "chromalab.colorization.options:Job"


def _source_word(term: str) -> str:
    return "composite" if term.startswith("composite") else "enhanced"


def colorize(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Photos, films, folders or glob patterns; "
        "frame_%05d.png for an image sequence.")],
    *,
    out: Annotated[str, option(OUTPUT, "OUT", "Output file for one photo or film, otherwise output folder (DIR/).",
        "--out", "-o")],
    format_: Annotated[str | None, option(OUTPUT, "TYPE", "File type: jpg, png, tif, webp or avif for photos, mp4, "
        "mov, mkv or webm for films; omit to keep that of each file, or png and mkv where it cannot be written.",
        "--format")] = None,
    quality: Annotated[int, option(OUTPUT, "N", "Quality of JPEG, WebP and AVIF files.", min=1, max=100,
        default=Default("chromalab.photo.writing:Saving.quality"))],
    overwrite: Annotated[bool, switch(OUTPUT, "Replace existing outputs.", "--overwrite",
        default=Default("chromalab.colorization.batch:Batch.overwrite"))],
    dry_run: Annotated[bool, switch(OUTPUT, "Count what would be done without doing it.", "--dry-run")] = False,
    keep_times: Annotated[bool, switch(OUTPUT, "Give every output the modification time of its photo.", "--keep-times",
        default=Default(f"{_JOB}.keep_times"))],
    max_megapixels: Annotated[float, option(OUTPUT, "MP", "Largest photo to accept, in megapixels.", min=0.001,
        default=Default(f"{_JOB}.max_pixels", convert=millions))],
    model: Annotated[str, option(MODEL, "NAME|FILE", "Name of a model (see `chromalab list models`), "
        "or ONNX file with its record beside it.", default=Default("chromalab.weights.colorizers:DEFAULT_MODEL"))],
    scales: Annotated[str | None, option(MODEL, "X,...", "Average predictions at these multiples of the "
        "network's input size, such as 0.75,1,1.5.")] = None,
    saturation: Annotated[float, option(COLOR, "X", "Factor on chroma (0 = gray).", min=0, max=4,
        default=Default(f"{_OPTIONS}.saturation"))],
    warmth: Annotated[float, option(COLOR, "X", "Shift toward warm (positive) or cool (negative) colors, in CIELAB "
        "units.", min=-50, max=50, default=Default(f"{_OPTIONS}.warmth"))],
    keep_tone: Annotated[bool, switch(COLOR, "Keep the print's own tone, such as sepia, beneath the colors.",
        "--keep-tone", default=Default(f"{_OPTIONS}.keep_tone"))],
    hint: Annotated[list[str] | None, option(COLOR, "HINT", "Color at a point (X,Y=#RRGGBB) or in a "
        "rectangle (X,Y,WIDTH,HEIGHT=#RRGGBB); for a film with the time of the frame, 12.5s:X,Y=#RRGGBB; "
        "repeatable.")] = None,
    hints: Annotated[Path | None, option(COLOR, "FILE",
        "JSON file of hints, or transparent PNG with painted hints.")] = None,
    reference: Annotated[list[Path] | None, option(COLOR, "FILE", "Color photo whose colors the result takes where "
        "both are alike; for a frame of a film with its time, still.png@12.5s; repeatable.")] = None,
    samples: Annotated[int, option(VERSIONS, "N", "Number of plausible versions to write besides the best guess, "
        "with an uncertainty map.", min=0, max=50)] = 0,
    seed: Annotated[int, option(VERSIONS, "N", "Random seed of the versions.", min=0)] = 0,
    temperature: Annotated[float, option(VERSIONS, "X", "Variety of the versions (1 = as the model predicts).",
        min=0.01, max=5, default=Default(f"{_OPTIONS}.temperature"))],
    codec: Annotated[str | None, option(FILM, "NAME", "Codec of films: h264, hevc, av1, ffv1 (lossless, in .mkv) or "
        "prores (in .mov and .mkv); default h264, in .webm av1.")] = None,
    crf: Annotated[int | None, option(FILM, "N", "Constant rate factor of the codec; lower values give better quality "
        "and larger files (default: 18 for h264, 20 for hevc, 28 for av1).", min=0, max=63)] = None,
    preset: Annotated[str | None, option(FILM, "NAME", "Speed preset of the codec, such as fast (default: medium; 8 "
        "for av1).")] = None,
    fps: Annotated[float, option(FILM, "N", "Frames per second of a film that is made of an image sequence.",
        min=0.01, max=1000, default=Default("chromalab.colorization.video.codecs:Encoding.fps"))],
    json_file: Annotated[Path | None, option(RECORDS, "FILE", "JSON file with seconds, lightness error and gamut "
        "share of every photo.", "--json")] = None,
    report: Annotated[bool, switch(RECORDS, "Write a contact sheet with sliders and an audit to OUT/report, for one "
        "film a page to NAME.report.", "--report")] = False,
    sidecar: Annotated[bool | None, switch(RECORDS, "Write a JSON record beside every output (default: in "
        "folders only).", "--sidecar/--no-sidecar")] = None,
    source_type: Annotated[_SourceWord, option(RECORDS, "TERM", "IPTC DigitalSourceType: `composite` (with "
        "trained algorithmic media) or `enhanced` (algorithmically).",
        default=Default(f"{_JOB}.source_type", convert=_source_word))],
    label: Annotated[str, option(RECORDS, "TEXT", "Visible line of text at the lower edge.",
        default=Default(f"{_JOB}.label"))],
    workers: Annotated[int | None, option(PERFORMANCE, "N", "Photos processed at a time (0 or omitted = one per CPU "
        "core).", min=0)] = None,
    device: Annotated[str, option(PERFORMANCE, "NAME", "Device: cpu or cuda.")] = "cpu",
    executor: ExecutorName = "local",
    address: Address = None,
    cpus_per_task: CpusPerTask = None,
    gpus_per_task: GpusPerTask = None,
    retries: Retries = None,
    _options_file: OptionsFile = None,
) -> None:  # fmt: skip
    """Colorize photos and films at full size and keep their lightness, bit depth and metadata.

    Rerun the same command to resume. The exit code is 1 if some photos could not be colorized. In a folder,
    DIR/.chromalab/messages.csv lists every failure, every warning and every file left out.
    """
    from chromalab.colorization.batch import look_ahead
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.plan import make_plan
    from chromalab.colorization.reference import load_references
    from chromalab.core.parallel import cpu_count
    from chromalab.weights.colorizers import find_colorizer

    plan = make_plan(inputs, out, suffix=_suffix(format_))
    options = _options(saturation, warmth, scales, hint, hints, temperature, keep_tone=keep_tone)
    workers = min(workers or cpu_count(), len(plan.items)) or 1
    engine = Engine(find_colorizer(model), threads=max(1, cpu_count() // workers), device=device)
    if samples:
        _check_versions(plan, engine, samples)
    job = replace(
        _job(options, quality, source_type, label, max_megapixels),
        keep_times=keep_times,
        encoding=_encoding(plan, codec, crf, preset, fps),
        references=load_references(engine, reference or []),
    )
    batch = _batch(job, workers, plan, hints, overwrite=overwrite, sidecar=sidecar)
    if dry_run:
        _print_plan(look_ahead(engine, plan, batch), plan)
        return
    if executor == "local":
        summary = _run(engine, plan, batch, report=report)
    else:
        from chromalab.colorization.distribute import run_batch_with

        _check_spread(plan, samples)
        with ray_executor(task_resources(cpus_per_task, gpus_per_task, retries), address) as cluster:
            summary = run_batch_with(cluster, engine, plan, batch, device=device, report=report)
    if samples:
        _versions(engine, plan, batch, samples, seed, summary)
    if json_file is not None:
        summary.save(json_file)
    _print_summary(summary, plan)


def _run(engine: Engine, plan: Plan, batch: Batch, *, report: bool) -> Summary:
    from chromalab.colorization.batch import run_batch

    if not report:
        return run_batch(engine, plan, batch)
    from chromalab.colorization.report import run_with_report

    return run_with_report(engine, plan, batch)


def _check_spread(plan: Plan, samples: int) -> None:
    """Refuse what cannot run on a cluster, before looking for one."""
    from chromalab.core.errors import UsageError

    if plan.folder is None:
        raise UsageError(
            "--executor ray needs an output folder; give --out DIR/, or omit --executor for a single photo"
        )
    if samples:
        raise UsageError(
            "--samples does not run on a cluster; first colorize with --executor ray, then run "
            "the same command with --samples and without --executor, which skips finished photos"
        )


def _check_versions(plan: Plan, engine: Engine, samples: int) -> None:
    """Refuse versions of films, of a model without a distribution, or in the place of photos and outputs."""
    from chromalab.colorization.small import no_distribution
    from chromalab.colorization.versions import planned_versions
    from chromalab.colorization.video.codecs import is_film
    from chromalab.core.errors import UsageError

    if all(is_film(item.output) for item in plan.items):
        raise UsageError("--samples makes versions of photos only: omit it for films")
    if not engine.gives_bins:
        raise no_distribution(engine)
    planned_versions(plan, samples)


def _versions(engine: Engine, plan: Plan, batch: Batch, samples: int, seed: int, summary: Summary) -> None:
    from chromalab.colorization.versions import write_versions
    from chromalab.core.wording import plural

    written, kept = write_versions(
        engine, plan, batch, samples, seed, failed={photo.output for photo in summary.failed}
    )
    typer.echo(f"{plural(written, 'file')} written beside the outputs: versions and uncertainty maps")
    if kept:
        typer.echo(
            f"not replaced: {plural(kept, 'version or map', 'versions and maps')} that existed already, possibly made "
            "with another --seed or --temperature; pass --overwrite to replace them"
        )


def _encoding(plan: Plan, codec: str | None, crf: int | None, preset: str | None, fps: float) -> Encoding:
    """Return how films are encoded.

    Raises:
        UsageError: the codec is unknown, or an option is given and there are no films.
    """
    from chromalab.colorization.video.codecs import Encoding, codec_name, is_film
    from chromalab.core.errors import UsageError

    given = [name for name, value in (("--codec", codec), ("--crf", crf), ("--preset", preset)) if value is not None]
    if given and not any(is_film(item.output) for item in plan.items):
        raise UsageError(f"{given[0]} is for films, and there are none: omit it")
    return Encoding(None if codec is None else codec_name(codec), crf, preset, fps)


def _suffix(format_: str | None) -> str | None:
    return None if format_ is None else "." + format_.lower().lstrip(".")


def _options(
    saturation: float,
    warmth: float,
    scales: str | None,
    hint: list[str] | None,
    hints: Path | None,
    temperature: float,
    *,
    keep_tone: bool,
) -> Options:
    from chromalab.colorization.hints import Hints, parse_hint
    from chromalab.colorization.options import Options

    parsed = [parse_hint(text) for text in hint or ()]
    if hints is not None and hints.suffix.lower() != ".png":
        parsed += Hints.load(hints).hints
    return Options(
        saturation=saturation,
        warmth=warmth,
        keep_tone=keep_tone,
        scales=_numbers(scales),
        hints=parsed,
        temperature=temperature,
    )


def _numbers(scales: str | None) -> list[float]:
    from chromalab.core.errors import UsageError

    if scales is None:
        return [1.0]
    try:
        numbers = [float(part) for part in scales.split(",")]
    except ValueError:
        raise UsageError(f"--scales {scales}: expected numbers separated by commas, such as 0.75,1,1.5") from None
    if not all(0.25 <= number <= 4 for number in numbers) or len(numbers) > 5:
        raise UsageError(f"--scales {scales}: expected at most five numbers from 0.25 to 4")
    return numbers


def _job(options: Options, quality: int, source_type: str, label: str, max_megapixels: float) -> Job:
    from chromalab.colorization.options import Job, SourceType
    from chromalab.core.files import printable
    from chromalab.photo.writing import Saving

    composite, enhanced = get_args(SourceType)
    return Job(
        options,
        saving=Saving(quality=quality),
        source_type=composite if source_type == "composite" else enhanced,
        label=printable(label),
        max_pixels=units(max_megapixels, "--max-megapixels"),
    )


def _batch(job: Job, workers: int, plan: Plan, hints: Path | None, *, overwrite: bool, sidecar: bool | None) -> Batch:
    from chromalab.colorization.batch import Batch, has_own_record

    # A record that lies beside a single output, from a batch, must not describe a replaced file.
    written = plan.folder is not None or has_own_record(plan.items[0]) if sidecar is None else sidecar
    return Batch(job, workers=workers, overwrite=overwrite, sidecar=written, overlay=_overlay(hints))


def _overlay(hints: Path | None) -> NDArray[np.uint8] | None:
    """Return the pixels of a PNG with painted hints; None for other files."""
    if hints is None or hints.suffix.lower() != ".png":
        return None
    from chromalab.core.errors import UsageError
    from chromalab.photo.reading import UnreadablePhotoError, read_rgba

    try:
        return read_rgba(hints)
    except UnreadablePhotoError as error:
        raise UsageError(f"cannot read the hints in {hints}: {error.reason}") from error


def _print_plan(states: Counter[Outlook], plan: Plan) -> None:
    from chromalab.colorization.plan import count_endings
    from chromalab.core.files import printable

    typer.echo(f"{_counted(plan)} into {_where(plan)}; dry run, nothing was written")
    for state, words in _STATES.items():
        if states[state]:
            typer.echo(f"  {states[state]} {words}")
    if left_out := [*plan.left_out, *plan.versions]:
        typer.echo(f"  {count_endings(left_out)}")
    for folder, reason in plan.closed:
        typer.echo(f"  the folder {printable(folder)} cannot be listed: {reason}")


def _counted(plan: Plan) -> str:
    from chromalab.colorization.video.codecs import is_film
    from chromalab.core.wording import listing, plural

    films = sum(is_film(item.output) for item in plan.items)
    photos = len(plan.items) - films
    return listing(plural(count, noun) for count, noun in ((photos, "photo"), (films, "film")) if count) or "0 photos"


def _where(plan: Plan) -> str:
    from chromalab.core.files import printable

    return printable(plan.folder if plan.folder is not None else plan.items[0].output)


def _print_summary(summary: Summary, plan: Plan) -> None:
    """Print the result; exit with 1 if photos failed."""
    from chromalab.colorization.summary import message_lines

    done, resumed, failed = (summary.count(status) for status in ("done", "resumed", "failed"))
    before = f", {resumed} finished before" if resumed else ""
    typer.echo(f"{done} colorized{before}, {failed} failed; model {summary.model}; {_where(plan)}")
    for line in message_lines(summary, plan.folder):
        typer.echo(line, err=True)
    if failed or any(photo.is_incomplete for photo in summary.photos):
        raise typer.Exit(_SOME_FAILED)

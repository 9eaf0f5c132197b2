"""`chromalab colorize`: photographs in color."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from chromalab.cli.options import Address, CpusPerTask, ExecutorName, GpusPerTask, Retries, ray_executor

if TYPE_CHECKING:
    from collections import Counter

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.colorization.batch import Batch, Summary
    from chromalab.colorization.colorizer import Job, Options
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.plan import Plan

_SOME_FAILED = 1
_SourceWord = Literal["composite", "enhanced"]
_STATES = {
    "new": "to colorize",
    "done": "done already",
    "foreign": "in the way: the output exists and is not of this batch",
    "other settings": "in the way: the output exists, made with other settings",
    "source changed": "in the way: the output exists, and its photo has changed since",
}


def colorize(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Photos, folders, patterns.", show_default=False)
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="OUT", help="For one photo a file; otherwise a folder (DIR/).")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.onnx",
            help="`chromalab list models`; or an ONNX file with its record beside it. [default: perceptual; with "
            "--samples bins_lite0, which gives versions]",
        ),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="jpg, png, tif, webp or avif; otherwise each photo's own.")
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of JPEG, WebP and AVIF.")] = 92,
    workers: Annotated[int, typer.Option(min=0, help="Photos at a time; 0 takes the processors.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are in the way.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="List every photo: seconds, lightness error, gamut share."),
    ] = None,
    sidecar: Annotated[
        bool | None, typer.Option("--sidecar/--no-sidecar", help="A record beside every output; as a rule in folders.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Contact sheet with sliders, audit and stability in OUT/report.")
    ] = False,
    saturation: Annotated[float, typer.Option(min=0, max=4, help="Multiplies chroma.")] = 1.0,
    warmth: Annotated[float, typer.Option(min=-50, max=50, help="Warmer; with a minus cooler.")] = 0.0,
    keep_tone: Annotated[bool, typer.Option("--keep-tone", help="Keep a print's own tone, as sepia.")] = False,
    scales: Annotated[
        str | None,
        typer.Option(metavar="0.75,1,1.5", help="Average predictions at these multiples of the network's size."),
    ] = None,
    hint: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y=#RRGGBB", help="A known color; or X,Y,WIDTH,HEIGHT=#RRGGBB; repeatable."),
    ] = None,
    hints: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hints in a JSON file, or painted on a transparent PNG.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, max=50, help="Also K plausible versions, with an uncertainty map.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Which versions.")] = 0,
    temperature: Annotated[float, typer.Option(min=0.01, max=5, help="How far versions stray.")] = 1.0,
    source_type: Annotated[
        _SourceWord,
        typer.Option(help="The IPTC's DigitalSourceType: composite with trained algorithmic media, or enhanced."),
    ] = "composite",
    label: Annotated[str, typer.Option(help="A visible line at the lower edge.")] = "",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="Photos that declare more are refused.")] = 500.0,
    executor: ExecutorName = "local",
    address: Address = None,
    cpus_per_task: CpusPerTask = 1,
    gpus_per_task: GpusPerTask = 0,
    retries: Retries = 2,
) -> None:
    """Colorize photos at full size, with their own lightness, depth and metadata.

    The same command goes on where it was stopped. The exit code is 1 when some photos could not be colorized.
    """
    from chromalab.colorization.batch import look_ahead
    from chromalab.colorization.engine import Engine
    from chromalab.colorization.plan import make_plan
    from chromalab.core.parallel import cpu_count
    from chromalab.weights.colorizers import default_model, find_colorizer

    plan = make_plan(inputs, out, suffix=_suffix(format_))
    options = _options(saturation, warmth, scales, hint, hints, temperature, keep_tone=keep_tone)
    model = model or default_model(versions=samples > 0)
    workers = min(workers or cpu_count(), len(plan.items)) or 1
    engine = Engine(find_colorizer(model), threads=max(1, cpu_count() // workers), device=device)
    job = _job(options, quality, source_type, label, max_megapixels)
    batch = _batch(job, workers, plan, hints, overwrite=overwrite, sidecar=sidecar)
    if dry_run:
        _tell_plan(look_ahead(engine, plan, batch), plan)
        return
    if executor == "local":
        summary = _run(engine, plan, batch, report=report)
    else:
        from chromalab.colorization.distribute import run_batch_with

        _check_spread(plan, samples)
        with ray_executor(address, cpus_per_task, gpus_per_task, retries) as cluster:
            summary = run_batch_with(cluster, engine, plan, batch, device=device, report=report)
    if samples:
        _versions(engine, plan, batch, samples, seed)
    if json_file is not None:
        summary.save(json_file)
    _tell(summary, plan)


def _run(engine: Engine, plan: Plan, batch: Batch, *, report: bool) -> Summary:
    from chromalab.colorization.batch import run_batch

    if not report:
        return run_batch(engine, plan, batch)
    from chromalab.colorization.report import run_with_report

    return run_with_report(engine, plan, batch)


def _check_spread(plan: Plan, samples: int) -> None:
    """Refuse what a cluster has no use for, before one is looked for."""
    from chromalab.core.errors import UsageError

    if plan.folder is None:
        raise UsageError("one photo needs no cluster: leave --executor out, or give DIR/ as the output")
    if samples:
        raise UsageError(
            "--samples works on this machine only: colorize over the cluster with --model bins_lite0 first, then give "
            "the same command with --samples and without --executor; photos that are done are not repeated"
        )


def _versions(engine: Engine, plan: Plan, batch: Batch, samples: int, seed: int) -> None:
    from chromalab.colorization.versions import write_versions

    written = write_versions(engine, plan, batch, samples, seed)
    typer.echo(f"{written} versions and uncertainty maps beside the outputs")


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
    from chromalab.colorization.colorizer import Options
    from chromalab.colorization.hints import Hints, parse_hint

    known = [parse_hint(text) for text in hint or ()]
    if hints is not None and hints.suffix.lower() != ".png":
        known += Hints.load(hints).hints
    return Options(
        saturation=saturation,
        warmth=warmth,
        keep_tone=keep_tone,
        scales=_numbers(scales),
        hints=known,
        temperature=temperature,
    )


def _numbers(scales: str | None) -> list[float]:
    from chromalab.core.errors import UsageError

    if scales is None:
        return [1.0]
    try:
        numbers = [float(part) for part in scales.split(",")]
    except ValueError:
        raise UsageError(f"--scales {scales}: expected numbers with commas between, as 0.75,1,1.5") from None
    if not all(0.25 <= number <= 4 for number in numbers) or len(numbers) > 5:
        raise UsageError(f"--scales {scales}: expected up to five numbers from 0.25 to 4")
    return numbers


def _job(options: Options, quality: int, source_type: str, label: str, max_megapixels: float) -> Job:
    from chromalab.colorization.colorizer import Job
    from chromalab.colorization.disclosure import SourceType
    from chromalab.photo.writing import Saving

    composite, enhanced = get_args(SourceType)
    return Job(
        options,
        saving=Saving(quality=quality),
        source_type=composite if source_type == "composite" else enhanced,
        label=label,
        max_pixels=int(max_megapixels * 1e6),
    )


def _batch(job: Job, workers: int, plan: Plan, hints: Path | None, *, overwrite: bool, sidecar: bool | None) -> Batch:
    from chromalab.colorization.batch import Batch

    wanted = plan.folder is not None if sidecar is None else sidecar
    return Batch(job, workers=workers, overwrite=overwrite, sidecar=wanted, overlay=_overlay(hints))


def _overlay(hints: Path | None) -> NDArray[np.uint8] | None:
    """Read hints that were painted."""
    if hints is None or hints.suffix.lower() != ".png":
        return None
    from chromalab.photo.reading import read_rgba

    return read_rgba(hints)


def _tell_plan(states: Counter[str], plan: Plan) -> None:
    where = plan.folder if plan.folder is not None else plan.items[0].output
    typer.echo(f"{len(plan.items)} photos into {where}; nothing is done")
    for state, words in _STATES.items():
        if states[state]:
            typer.echo(f"  {states[state]} {words}")


def _tell(summary: Summary, plan: Plan) -> None:
    """Say what came of it; exit with 1 where photos failed."""
    done, resumed, failed = (summary.count(status) for status in ("done", "resumed", "failed"))
    where = plan.folder if plan.folder is not None else plan.items[0].output
    before = f", {resumed} done before" if resumed else ""
    typer.echo(f"{done} colorized{before}, {failed} failed; model {summary.model}; {where}")
    for reason, count, first in summary.reasons():
        more = f" (and {count - 1} more)" if count > 1 else ""
        typer.echo(f"failed: {first}{more}: {reason}", err=True)
    if failed:
        raise typer.Exit(_SOME_FAILED)

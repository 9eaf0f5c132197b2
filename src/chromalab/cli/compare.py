"""`chromalab compare`: a grid of objectives, color spaces and seeds, and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromalab.cli.options import (
    Address,
    Balance,
    CpusPerTask,
    Data,
    Device,
    Devices,
    ExecutorName,
    GpusPerTask,
    Plugin,
    Retries,
    Smoke,
    Threads,
    ray_executor,
    runtime_settings,
)

app = typer.Typer(help="Compare objectives: same network, data and seeds for each.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The study's folder.", show_default=False)]


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="Study file, as quick.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="The study's folder.", show_default=False)],
    data: Data = None,
    test: Annotated[
        list[str] | None,
        typer.Option(
            "--test",
            metavar="FOLDER",
            help="Measure on these photos, 'samples' for the built-in ones; repeatable.",
            show_default=False,
        ),
    ] = None,
    sample_every: Annotated[int, typer.Option(min=0, help="Steps between sample pictures; 0: at the end only.")] = 0,
    plugin: Plugin = None,
    balance: Balance = False,
    device: Device = "auto",
    devices: Devices = 1,
    threads: Threads = 0,
    executor: ExecutorName = "local",
    address: Address = None,
    cpus_per_run: CpusPerTask = 1,
    gpus_per_run: GpusPerTask = 0,
    retries: Retries = 2,
    smoke: Smoke = False,
) -> None:
    """Train and measure every run of a study that is not finished yet, then write its report.

    The same command goes on where it was stopped, in the middle of a run, too. With --executor ray runs are spread over
    a cluster, several at once.
    """
    from functools import partial

    from chromalab.cli.studies import execute
    from chromalab.losses.plugins import load_plugins
    from chromalab.studies.api import configured

    plugins = load_plugins(plugin or [])
    study = configured(config, data=data, test=test or (), balance=balance, smoke=smoke)
    runtime = runtime_settings(device, threads, sample_every=sample_every, devices=devices)
    if executor == "local":
        execute(study, out, runtime, plugins)
        return
    from chromalab.studies.distribute import run_study_with

    if not threads:
        runtime = runtime.model_copy(update={"threads": max(1, int(cpus_per_run))})
    with ray_executor(address, cpus_per_run, gpus_per_run, retries, fresh_processes=True) as cluster:
        execute(study, out, runtime, plugins, runner=partial(run_study_with, cluster, plugins=plugin or []))


@app.command()
def report(folder: Folder) -> None:
    """Write the report of a study, finished or not: one HTML page, tables as CSV and LaTeX, figures."""
    from chromalab.cli.options import wide_console
    from chromalab.cli.studies import report as write

    write(wide_console(), folder)


@app.command()
def score(
    folder: Folder,
    protocol: Annotated[
        str, typer.Option(help="Protocol from `chromalab list protocols`.", show_default=False, metavar="NAME")
    ],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the study's photographs; omit for the built-in samples.", show_default=False),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="Folder of the study's own test photos; repeatable.", show_default=False),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Pattern or @FILE of photos that the study left out; repeatable.",
            show_default=False,
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the analysis here.", show_default=False)
    ] = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Score the finished runs of a study under another protocol, without changing the study's own scores.

    The scores go to FOLDER/protocols/NAME, which `chromalab compare report` reads like a study.
    """
    from chromalab.cli.options import wide_console
    from chromalab.cli.studies import show_summary
    from chromalab.core.files import make_folder
    from chromalab.studies.networks import score_study

    if json_file is not None:
        make_folder(json_file.parent)
    runtime = runtime_settings(device, threads)
    analysis = score_study(folder, protocol, data=data, test=test or (), exclude=exclude, runtime=runtime)
    if json_file is not None:
        analysis.save(json_file)
    console = wide_console()
    show_summary(console, analysis)
    console.print(f"scores: {folder / 'protocols' / protocol}", soft_wrap=True, highlight=False)


@app.command()
def status(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which runs of a study are finished."""
    import json

    from rich.console import Console
    from rich.table import Table

    from chromalab.studies.study import study_status

    rows = study_status(folder)
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in rows], indent=2))
        return
    table = Table("run", "state", "training", "formula")
    for row in rows:
        seconds = f"{row.training_seconds:.0f} s" if row.training_seconds is not None else ""
        table.add_row(row.run_id, row.state, seconds, row.formula)
    console = Console()
    console.print(table)
    console.print(f"{sum(row.state == 'finished' for row in rows)} of {len(rows)} runs finished", highlight=False)


@app.command()
def colorize(
    folder: Folder,
    photos: Annotated[Path, typer.Option("--photos", help="Folder of photographs to colorize, gray or not.")],
    size: Annotated[int, typer.Option(min=16, max=4096, help="Largest shortest side of the outputs, in pixels.")] = 512,
) -> None:
    """Colorize photos without ground truth with every trained network of a study, side by side on one page."""
    from rich.console import Console

    from chromalab.report.study.report import write_colorized_page
    from chromalab.studies.networks import colorize_photos

    outcome = colorize_photos(folder, photos, largest_side_px=size)
    page = write_colorized_page(folder, outcome.study)
    console = Console(soft_wrap=True, highlight=False)
    for skip in outcome.skipped:
        console.print(f"skipped {skip.name}: {skip.reason}")
    console.print(f"{outcome.n_photos} photos x {outcome.n_networks} networks: {page}")

"""`chromalab compare`: studies of objectives, color spaces and seeds, and their reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.options import (
    ARROWS,
    INPUT,
    OUTPUT,
    Address,
    AsJson,
    Balance,
    CpusPerRun,
    Default,
    Device,
    Devices,
    ExecutorName,
    GpusPerRun,
    OptionsFile,
    Plugin,
    Precision,
    Retries,
    SampleEvery,
    Smoke,
    Threads,
    given,
    option,
    ray_executor,
    runtime_of_task,
    runtime_settings,
    switch,
    task_resources,
    wide_console,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console
    from rich.table import Table

    from chromalab.losses.plugins import PluginRecord
    from chromalab.studies.config import StudyConfig
    from chromalab.studies.opening import Study
    from chromalab.studies.precision import PrecisionRow
    from chromalab.studies.records import Analysis, DataRecord, SummaryRow
    from chromalab.studies.tuning import TuningRecord
    from chromalab.training.settings import RuntimeSettings

app = typer.Typer(
    help="Compare objectives on the same network, data and seeds, and report the differences.", no_args_is_help=True
)

SEARCH = "Search"
_TUNING = "chromalab.studies.config:TuningSettings"

Folder = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of the study.")]
Config = Annotated[Path, typer.Argument(metavar="CONFIG",
    help="YAML file of a study, or the name of a built-in one such as quick.")]  # fmt: skip
Data = Annotated[Path | None, option(INPUT, "DIR", "Folder of photographs, in place of the study's own (`data: "
    "source`).", "--data")]  # fmt: skip
TestFolders = Annotated[list[str] | None, option(INPUT, "DIR", "Folder of test photos, or `samples` for the built-in "
    "ones; repeatable.", "--test")]  # fmt: skip


@app.command()
def run(
    config: Config,
    *,
    out: Annotated[Path, option(OUTPUT, "DIR", "Folder of the study.", "--out")],
    data: Data = None,
    test: TestFolders = None,
    sample_every: SampleEvery,
    plugin: Plugin = None,
    balance: Balance = False,
    device: Device,
    devices: Devices,
    threads: Threads,
    precision: Precision,
    executor: ExecutorName = "local",
    address: Address = None,
    cpus_per_run: CpusPerRun = None,
    gpus_per_run: GpusPerRun = None,
    retries: Retries = None,
    smoke: Smoke = False,
    _options_file: OptionsFile = None,
) -> None:  # fmt: skip
    """Train and measure every unfinished run of a study, then write its report.

    Rerun the same command to resume, even in the middle of a run. With --executor ray, several runs of the study train
    at the same time on a cluster.
    """
    from functools import partial

    from chromalab.losses.plugins import load_plugins
    from chromalab.studies.api import configured

    plugins = load_plugins(plugin or [])
    study = configured(config, data=data, test=test or (), balance=balance, smoke=smoke)
    runtime = runtime_settings(
        device=device, threads=threads, precision=precision, sample_every=sample_every, devices=devices
    )
    if executor == "local":
        _run_study(study, out, runtime, plugins)
        return
    from chromalab.studies.distribute import run_study_with

    resources = task_resources(cpus_per_run, gpus_per_run, retries)
    runtime = runtime_of_task(runtime, resources)
    with ray_executor(resources, address, fresh_processes=True) as cluster:
        _run_study(study, out, runtime, plugins, runner=partial(run_study_with, cluster, plugins=plugin or []))


@app.command()
def plan(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of a study with the key `plan`.")],
    *,
    out: Annotated[Path, option(OUTPUT, "DIR", "Folder of the study, which gets plan.yaml.", "--out")],
    data: Data = None,
    test: TestFolders = None,
    pilot: Annotated[Path | None, option(INPUT, "STUDY", "Folder of a finished study with the same objectives, from "
        "which the precision of this one is estimated.", "--pilot")] = None,
    json_file: Annotated[Path | None, option(OUTPUT, "FILE", "JSON file for the plan and its precision.",
        "--json")] = None,
) -> None:  # fmt: skip
    """Freeze the plan of a study before its first run, and estimate how precise the study will be.

    The study's file states the plan under the key `plan`. With --pilot, a table shows for each planned comparison the
    interval to expect, the smallest difference that would be found, and the seeds or photos that its margin needs.
    """
    from chromalab.core.files import make_folder
    from chromalab.core.wording import plural
    from chromalab.studies.api import configured
    from chromalab.studies.precision import freeze_with_precision

    if json_file is not None:
        make_folder(json_file.parent)
    found = freeze_with_precision(configured(config, data=data, test=test or ()), out, pilot)
    console = wide_console()
    if found.rows:
        console.print(_precision_table(found.rows))
    if json_file is not None:
        found.save(json_file)
    comparisons = plural(found.plan.family_size, "comparison")
    console.print(f"{comparisons}, frozen {found.plan.frozen}: {out / 'plan.yaml'}", soft_wrap=True, highlight=False)


@app.command()
def tune(
    config: Config,
    *,
    out: Annotated[Path, option(OUTPUT, "DIR", "Folder of the tuning, which gets tuned.yaml.", "--out")],
    data: Data = None,
    test: TestFolders = None,
    rounds: Annotated[list[str] | None, option(SEARCH, "NxCROPS", "Configurations and crops of a round; repeat "
        "for further rounds, each with the best of the round before (default: 12x5000, then 2x20000).",
        "--round")] = None,
    criterion: Annotated[list[str] | None, option(SEARCH, "METRIC", "Metric of the criterion; repeatable (default: "
        "delta_e_2000 and lpips_alex).", "--criterion")] = None,
    photos: Annotated[int, option(SEARCH, "N", "Validation photos at most.", min=1,
        default=Default(f"{_TUNING}.photos"))],
    seed: Annotated[int, option(SEARCH, "N", "Seed of the search and of its trainings.", min=0,
        default=Default(f"{_TUNING}.seed"))],
    plugin: Plugin = None,
    device: Device,
    threads: Threads,
    precision: Precision,
    executor: ExecutorName = "local",
    address: Address = None,
    cpus_per_run: CpusPerRun = None,
    gpus_per_run: GpusPerRun = None,
    retries: Retries = None,
    smoke: Smoke = False,
    _options_file: OptionsFile = None,
) -> None:  # fmt: skip
    """Tune every objective of a study with the same budget, on validation photos alone.

    Learning rate, term weights and the critic's learning rate are searched around the study's own settings. The file
    tuned.yaml is the study with the settings found. Rerun the same command to resume.
    """
    from functools import partial

    from chromalab.losses.plugins import load_plugins
    from chromalab.studies.api import configured
    from chromalab.studies.tuning import SMOKE_ROUND, TUNED_FILE, read_rounds, tune, tuning_settings

    rounds = rounds or ([SMOKE_ROUND] if smoke else None)
    settings = tuning_settings(given(rounds=read_rounds(rounds), criterion=criterion, photos=photos, seed=seed))
    load_plugins(plugin or [])
    runtime = runtime_settings(device=device, threads=threads, precision=precision)
    search = partial(tune, configured(config, smoke=smoke), settings, out, data=data, test=test or (),
                     plugins=plugin or [])  # fmt: skip
    if executor == "local":
        record = search(runtime)
    else:
        resources = task_resources(cpus_per_run, gpus_per_run, retries)
        runtime = runtime_of_task(runtime, resources)
        with ray_executor(resources, address, fresh_processes=True) as cluster:
            record = search(runtime, executor=cluster)
    console = wide_console()
    console.print(_tuning_table(record))
    console.print(f"study: {out / TUNED_FILE}", soft_wrap=True, highlight=False)


@app.command()
def report(folder: Folder) -> None:
    """Write the report of a study, finished or not: an HTML page, CSV and LaTeX tables, and figures."""
    _write_report(wide_console(), folder)


@app.command()
def score(
    folder: Folder,
    *,
    protocol: Annotated[str, option(None, "NAME", "Evaluation protocol (see `chromalab list protocols`).")],
    data: Annotated[Path | None, option(None, "DIR", "Folder of the study's photos; omit if it used the "
        "built-in samples.")] = None,
    test: Annotated[list[str] | None, option(None, "DIR", "Folder of the study's own test photos; repeatable.")] = None,
    exclude: Annotated[list[str] | None, option(None, "PATTERN", "Pattern or @FILE of photos that the study "
        "left out; repeatable.")] = None,
    equal_chroma: Annotated[bool, switch(None, "Multiply the chroma of every network so that all have the same mean "
        "chroma on the validation photos.", "--equal-chroma")] = False,
    json_file: Annotated[Path | None, option(None, "FILE", "JSON file for the analysis.", "--json")] = None,
    device: Device,
    threads: Threads,
) -> None:  # fmt: skip
    """Score the finished runs of a study under another protocol, without changing the study's own scores.

    The scores go to STUDY/protocols/NAME, which `chromalab compare report` reads like a study. With --equal-chroma
    they go to STUDY/protocols/NAME-equal-chroma, and show which differences are more than a matter of saturation.
    """
    from chromalab.core.files import make_folder
    from chromalab.studies.networks import score_study
    from chromalab.studies.records import EQUAL_CHROMA

    if json_file is not None:
        make_folder(json_file.parent)
    runtime = runtime_settings(device=device, threads=threads)
    analysis = score_study(
        folder, protocol, data=data, test=test or (), exclude=exclude, equal_chroma=equal_chroma, runtime=runtime
    )
    if json_file is not None:
        analysis.save(json_file)
    console = wide_console()
    _print_summary(console, analysis)
    name = f"{protocol}{EQUAL_CHROMA}" if equal_chroma else protocol
    console.print(f"scores: {folder / 'protocols' / name}", soft_wrap=True, highlight=False)


@app.command()
def status(folder: Folder, as_json: AsJson = False) -> None:
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
    photos: Annotated[Path, option(None, "DIR", "Folder of photos to colorize, gray or in color.", "--photos")],
    size: Annotated[int, option(None, "PX", "Shorter side of the outputs at most, in pixels.", min=16, max=4096)] = 512,
) -> None:  # fmt: skip
    """Colorize photos with every trained network of a study, side by side on one page."""
    from rich.console import Console

    from chromalab.report.study.report import write_colorized_page
    from chromalab.studies.networks import colorize_photos

    outcome = colorize_photos(folder, photos, largest_side_px=size)
    page = write_colorized_page(folder, outcome.study)
    console = Console(soft_wrap=True, highlight=False)
    for skip in outcome.skipped:
        console.print(f"skipped {skip.name}: {skip.reason}")
    console.print(f"{outcome.n_photos} photos x {outcome.n_networks} networks: {page}")


def _run_study(
    config: StudyConfig,
    out: Path,
    runtime: RuntimeSettings,
    plugins: Sequence[PluginRecord] = (),
    *,
    runner: Callable[[Study, RuntimeSettings], object] | None = None,
) -> None:
    """Run a study to its end, print its summary and write its report; the default runner is this process."""
    from chromalab.studies.opening import open_study, plugin_facts
    from chromalab.studies.runs import run_study

    console = wide_console()
    study = open_study(config, out, runtime, plugins=plugin_facts(plugins))
    _print_photos(console, study.record.data, study.folder.skipped_csv)
    (runner or run_study)(study, runtime)
    _write_report(console, out)


def _write_report(console: Console, folder: Path) -> None:
    """Analyze the folder of a study, write its report and print the summary."""
    from chromalab.metrics.registry import metric_facts
    from chromalab.report.study.report import write_report
    from chromalab.studies.analysis.analyze import analyze
    from chromalab.studies.load import load_study

    study = load_study(folder)
    analysis = analyze(study, metric_facts())
    paths = write_report(folder, analysis, study.record)
    _print_summary(console, analysis)
    console.print(f"report: {paths.html}", soft_wrap=True, highlight=False)


def _print_summary(console: Console, analysis: Analysis) -> None:
    """Print the means of a study and the verdicts on claims."""
    for table in _summary_tables(analysis):
        console.print(table)
    for claim in analysis.claims:
        if claim.verdict != "not tested":
            console.print(f"{claim.id}, {claim.claim}: [bold]{claim.verdict}[/]", highlight=False)


def _print_photos(console: Console, data: DataRecord, skipped_csv: Path) -> None:
    console.print(
        f"{data.n_found} photos found; {data.n_train} to train, {data.n_val} to validate, {data.n_test} to test",
        highlight=False,
    )
    if data.n_skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in data.skipped_by_reason.items())
        console.print(f"{data.n_skipped} skipped ({reasons}): see {skipped_csv}", soft_wrap=True, highlight=False)


def _precision_table(rows: Sequence[PrecisionRow]) -> Table:
    """Return the table of what to expect of each planned comparison."""
    from rich.table import Table

    table = Table("comparison", "metric", title="precision to expect, from the pilot")
    for name in ("margin", "run SD", "95% half-width", "detectable (80%)", "seeds needed", "photos needed"):
        table.add_column(name, justify="right")
    for row in rows:
        values = [row.margin, row.run_sd, row.half_width, row.detectable]
        counts = [_count(row.seeds_needed, row), _count(row.photos_needed, row)]
        numbers = ["–" if value is None else f"{value:.2g}" for value in values]
        table.add_row(f"{row.first} - {row.second}", row.metric, *numbers, *counts)
    return table


def _count(needed: int | None, row: PrecisionRow) -> str:
    if needed is not None:
        return str(needed)
    return "–" if row.reason or row.margin is None else "no number suffices"


def _tuning_table(record: TuningRecord) -> Table:
    """Return the table of the chosen settings of each objective."""
    from rich.table import Table

    table = Table("objective", "formula", title="tuned settings; the criterion is a share of the gray baseline's")
    for name in ("learning rate", "critic's rate", "criterion", "as stated, first round", "diverged"):
        table.add_column(name, justify="right")
    for name, number in record.best.items():
        trials = [trial for trial in record.trials if trial.objective == name]
        best = [trial for trial in trials if trial.number == number][-1]
        stated = next(trial for trial in trials if trial.number == 0 and trial.round == 0)
        rates = [best.configuration.learning_rate, best.configuration.critic_rate]
        values = [best.criterion, stated.criterion]
        table.add_row(
            name,
            best.configuration.formula,
            *("–" if rate is None else f"{rate:.3g}" for rate in rates),
            *("–" if value is None else f"{value:.4f}" for value in values),
            str(sum(trial.failure is not None for trial in trials)),
        )
    return table


def _summary_tables(analysis: Analysis) -> Iterator[Table]:
    """Yield one table of means per color space, with one row per metric and one column per objective and bound."""
    from rich.table import Table

    from chromalab.metrics.registry import METRICS

    cells = {(row.metric, row.color_space, row.objective): row for row in analysis.summary}
    for space in analysis.color_spaces:
        table = Table(title=f"{analysis.study}, {space}: means over photos and seeds")
        table.add_column("metric", no_wrap=True)
        columns = [(name, space) for name in analysis.objectives] + [("grey", "-"), ("truth", "-")]
        for name, _ in columns:
            table.add_column(name, justify="right", overflow="fold")
        for metric in analysis.metrics:
            row = [cells.get((metric.name, where, name)) for name, where in columns]
            if any(row):
                table.add_row(f"{METRICS[metric.name].label} {ARROWS[metric.direction]}", *map(_cell, row))
        yield table


def _cell(row: SummaryRow | None) -> str:
    if row is None or row.mean is None:
        return "–"
    return f"[bold]{row.mean:.4g}[/]" if row.best else f"{row.mean:.4g}"

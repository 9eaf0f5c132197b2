"""What `train` and `compare run` share: run a study, say what was skipped, print the table, write the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from chromalab.cli.options import ARROWS, wide_console
from chromalab.metrics.registry import METRICS, metric_facts
from chromalab.report.study.report import write_report
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.load import load_study
from chromalab.studies.opening import open_study, plugin_facts
from chromalab.studies.runs import run_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from chromalab.losses.plugins import PluginRecord
    from chromalab.studies.config import StudyConfig
    from chromalab.studies.opening import Study
    from chromalab.studies.records import Analysis, DataRecord, SummaryRow
    from chromalab.training.settings import RuntimeSettings


def execute(
    config: StudyConfig,
    out: Path,
    runtime: RuntimeSettings,
    plugins: Sequence[PluginRecord] = (),
    *,
    runner: Callable[[Study, RuntimeSettings], object] = run_study,
) -> None:
    """Run a study to its end, and write and announce its report.

    Args:
        config: the study.
        out: its folder.
        runtime: where and how to run.
        plugins: losses that were loaded for it.
        runner: what runs it; in this process as a rule.
    """
    console = wide_console()
    study = open_study(config, out, runtime, plugins=plugin_facts(plugins))
    _tell_photos(console, study.record.data, study.folder.skipped_csv)
    runner(study, runtime)
    report(console, out)


def report(console: Console, folder: Path) -> None:
    """Analyze a study's folder, write its report, and print the summary."""
    study = load_study(folder)
    analysis = analyze(study, metric_facts())
    paths = write_report(folder, analysis, study.record)
    show_summary(console, analysis)
    console.print(f"report: {paths.html}", soft_wrap=True, highlight=False)


def show_summary(console: Console, analysis: Analysis) -> None:
    """Print the means of a study and the verdicts on claims."""
    for table in _summary_tables(analysis):
        console.print(table)
    for claim in analysis.claims:
        if claim.verdict != "not tested":
            console.print(f"{claim.id}, {claim.claim}: [bold]{claim.verdict}[/]", highlight=False)


def _tell_photos(console: Console, data: DataRecord, skipped_csv: Path) -> None:
    console.print(
        f"{data.n_found} photos found; {data.n_train} to train, {data.n_val} to validate, {data.n_test} to test",
        highlight=False,
    )
    if data.n_skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in data.skipped_by_reason.items())
        console.print(f"{data.n_skipped} skipped ({reasons}): see {skipped_csv}", soft_wrap=True, highlight=False)


def _summary_tables(analysis: Analysis) -> Iterator[Table]:
    """Give a table of means for each color space: a row for each metric, a column for each objective and bound."""
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

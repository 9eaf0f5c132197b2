"""What `train` and `compare run` share: run a study, say what was skipped, print the table, write the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from chromalab.compare.analysis import analyse
from chromalab.compare.load import load_study
from chromalab.compare.run import open_study, run_study
from chromalab.metrics.registry import METRICS, metric_facts
from chromalab.report.page import write_report

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.compare.config import StudyConfig
    from chromalab.compare.records import Analysis, DataRecord
    from chromalab.training.settings import RuntimeSettings

_ARROWS = {"lower": "↓", "higher": "↑", "closer": "≈"}


def execute(config: StudyConfig, out: Path, runtime: RuntimeSettings) -> None:
    """Run a study to its end, and write and announce its report."""
    console = Console()
    study = open_study(config, out, runtime)
    _tell_photos(console, study.record.data, study.folder.skipped_csv)
    run_study(study, runtime)
    report(console, out)


def report(console: Console, folder: Path) -> None:
    """Analyse a study's folder, write its report, and print the summary."""
    study = load_study(folder)
    analysis = analyse(study, metric_facts())
    paths = write_report(folder, analysis, study.record)
    console.print(_summary_table(analysis))
    for claim in analysis.claims:
        console.print(f"[bold]{claim.id}[/] {claim.claim}: [bold]{claim.verdict}[/]", highlight=False)
    console.print(f"report: {paths.html}", soft_wrap=True, highlight=False)


def _tell_photos(console: Console, data: DataRecord, skipped_csv: Path) -> None:
    console.print(
        f"{data.n_found} photos found; {data.n_train} to train, {data.n_val} to validate, {data.n_test} to test",
        highlight=False,
    )
    if data.n_skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in data.skipped_by_reason.items())
        console.print(f"{data.n_skipped} skipped ({reasons}): see {skipped_csv}", soft_wrap=True, highlight=False)


def _summary_table(analysis: Analysis) -> Table:
    """Return a table of means: a row for each objective, a column for each metric."""
    shown = [metric for metric in analysis.metrics if any(row.metric == metric.name for row in analysis.summary)]
    table = Table(title=analysis.study)
    table.add_column("objective")
    table.add_column("space")
    for metric in shown:
        table.add_column(f"{METRICS[metric.name].label} {_ARROWS[metric.direction]}", justify="right")
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for cell in analysis.summary:
        value = "–" if cell.mean is None else f"{cell.mean:.4g}"
        rows.setdefault((cell.objective, cell.color_space), {})[cell.metric] = (
            f"[bold]{value}[/]" if cell.best else value
        )
    for (objective, space), values in rows.items():
        table.add_row(objective, space, *(values.get(metric.name, "–") for metric in shown))
    return table

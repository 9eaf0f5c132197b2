"""`chromalab evaluate`: a folder of predictions against a folder of true photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.options import ARROWS, Device, Threads

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from chromalab.evaluate.records import EvaluationRecord, MetricSummary

_LISTED = 10
_PARTLY_FAILED = 1


def evaluate(
    preds: Annotated[Path, typer.Argument(help="Folder of predictions.", show_default=False)],
    targets: Annotated[Path, typer.Argument(help="Folder of true photographs.", show_default=False)],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.", show_default=False)] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the values of every photo here.", show_default=False)
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Names from `chromalab list metrics`, as mae,ssim; all where it is left out.")
    ] = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Measure predictions against the true photographs of the same names, at native size.

    Files belong together when their relative paths are equal but for the suffix. Photos that can't be read or differ
    in size are left out and listed; the exit code is 1 then, and 2 where nothing could be measured.
    """
    from rich.console import Console

    from chromalab.core.files import make_folder
    from chromalab.evaluate.csv_file import write_photo_scores
    from chromalab.evaluate.folders import evaluate_folders

    for path in (json_file, csv_file):
        if path is not None:
            make_folder(path.parent)  # a folder that can't be written is better found before the work than after it
    names = [name.strip() for name in metrics.split(",") if name.strip()] if metrics is not None else None
    evaluation = evaluate_folders(preds, targets, metrics=names, device=device, threads=threads)
    if json_file is not None:
        evaluation.record.save(json_file)
    if csv_file is not None:
        write_photo_scores(csv_file, evaluation.photos)
    _tell(Console(soft_wrap=True, highlight=False), evaluation.record)
    if not evaluation.record.is_complete:
        raise typer.Exit(_PARTLY_FAILED)


def _tell(console: Console, record: EvaluationRecord) -> None:
    console.print(_table(record))
    for name, summary in record.metrics.items():
        if summary.reason is not None and not _not_asked(summary):
            console.print(f"{name}: {summary.reason}", markup=False)
    _list(console, "could not be measured", [f"{pair.name}: {pair.reason}" for pair in record.skipped])
    _list(console, "predictions have no target", record.unmatched_preds)
    _list(console, "targets have no prediction", record.unmatched_targets)


def _table(record: EvaluationRecord) -> Table:
    """Return a table with a row for each metric that was asked for."""
    from rich.table import Table

    from chromalab.metrics.registry import METRICS

    table = Table(title=f"{record.n_photos} photos, protocol {record.protocol}")
    table.add_column("metric")
    for heading in ("", "mean", "95% interval", "truth", "photos"):
        table.add_column(heading, justify="right")
    for name, summary in record.metrics.items():
        if not _not_asked(summary):
            metric = METRICS[name]
            label = f"{metric.label} ({metric.unit})" if metric.unit else metric.label
            table.add_row(label, ARROWS[metric.direction], *_cells(summary))
    return table


def _cells(summary: MetricSummary) -> tuple[str, str, str, str]:
    ends = [_number(end) for end in (summary.ci_low, summary.ci_high)]
    interval = " to ".join(ends) if summary.ci_low is not None else "–"
    truth = _number(summary.truth) if summary.truth is not None else ""
    return _number(summary.mean), interval, truth, str(summary.n)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _not_asked(summary: MetricSummary) -> bool:
    from chromalab.evaluate.folders import NOT_ASKED

    return summary.reason == NOT_ASKED


def _list(console: Console, heading: str, lines: list[str]) -> None:
    if not lines:
        return
    console.print(f"{len(lines)} {heading}:", markup=False)
    for line in lines[:_LISTED]:
        console.print(f"  {line}", markup=False)
    if len(lines) > _LISTED:
        console.print(f"  ... and {len(lines) - _LISTED} more; --json FILE has all of them", markup=False)

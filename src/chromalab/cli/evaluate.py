"""`chromalab evaluate`: folders of results against folders of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.options import (
    ARROWS,
    Address,
    CpusPerTask,
    Device,
    ExecutorName,
    GpusPerTask,
    Retries,
    Threads,
    ray_executor,
    wide_console,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from chromalab.core.executors.outcome import Executor
    from chromalab.evaluation.folders import EvaluationSettings
    from chromalab.evaluation.records import ComparisonRecord, EvaluationRecord, MetricSummary
    from chromalab.evaluation.scores import Comparison

_LISTED = 10
_PARTLY_FAILED = 1


def evaluate(
    preds: Annotated[Path | None, typer.Argument(help="Folder of predictions.", show_default=False)] = None,
    targets: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of true photographs, or a set made by `chromalab data plates`.", show_default=False
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="A method's folder instead of PREDS; repeatable.", show_default=False),
    ] = None,
    target: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of true photographs, with --method.", show_default=False)
    ] = None,
    grey: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the gray photographs that were colorized.", show_default=False),
    ] = None,
    real: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Any true photographs, to compare sets with.", show_default=False),
    ] = None,
    protocol: Annotated[str, typer.Option(help="The rules; see `chromalab list protocols`.")] = "chromalab-v1",
    metrics: Annotated[
        str | None, typer.Option(help="Names from `chromalab list metrics`, as mae,ssim; all where it is left out.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="photo,label: the class of every photo, 0 to 999.", show_default=False),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(metavar="FILE.py", help="Defines classify(rgb), to take for --labels.", show_default=False),
    ] = None,
    video: Annotated[
        bool, typer.Option("--video", help="The pictures are frames, in the order of their names.")
    ] = False,
    bounds: Annotated[
        bool | None,
        typer.Option(
            "--bounds/--no-bounds",
            help="Score the gray baseline and the ground truth, too; the default for several methods or with labels.",
            show_default=False,
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.", show_default=False)] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the values of every photo here.", show_default=False)
    ] = None,
    latex_file: Annotated[
        Path | None, typer.Option("--latex", help="Write the table for a paper here.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write all of it and an HTML report here; goes on after a stop."),
    ] = None,
    device: Device = "auto",
    threads: Threads = 0,
    executor: ExecutorName = "local",
    address: Address = None,
    cpus_per_task: CpusPerTask = 1,
    gpus_per_task: GpusPerTask = 0,
    retries: Retries = 2,
) -> None:
    """Measure predictions against the true photographs of the same names, or what can be known without them.

    `evaluate PREDS TARGETS`, `evaluate --method A=DIR --method B=DIR --target DIR`, and without true photographs
    `evaluate PREDS --grey DIR`. Files belong together when their relative paths are equal but for the suffix. Photos
    that can't be read or differ in size are left out and listed; the exit code is 1 then, and 2 where nothing could be
    measured.
    """
    from rich.console import Console

    from chromalab.core.files import make_folder
    from chromalab.evaluation.folders import EvaluationSettings

    folders = _folders(preds, targets, method, target, grey)
    for path in (json_file, csv_file, latex_file):
        if path is not None:
            make_folder(path.parent)  # a folder that can't be written is better found before the work than after it
    settings = EvaluationSettings(
        protocol=protocol,
        metrics=[name.strip() for name in metrics.split(",") if name.strip()] if metrics is not None else None,
        real=real,
        labels=labels,
        classifier=classifier,
        video=video,
        bounds=folders.several or labels is not None if bounds is None else bounds,
        device=device,
        threads=threads,
        state=out / "state" if out is not None else None,
    )
    if executor == "local":
        comparison, record = _measure(folders, settings)
    else:
        with ray_executor(address, cpus_per_task, gpus_per_task, retries) as cluster:
            comparison, record = _measure(folders, settings, cluster)
    _write(comparison, record, json_file, csv_file, latex_file, out)
    console = Console(soft_wrap=True, highlight=False)
    for caveat in folders.caveats:
        console.print(caveat, markup=False)
    _tell(console, comparison.record)
    if not record.is_complete:
        raise typer.Exit(_PARTLY_FAILED)


class _Folders:
    """What is compared with what, as the command line names it."""

    def __init__(self, methods: dict[str, Path], target: Path | None, grey: Path | None, *, several: bool) -> None:
        self.methods, self.target, self.grey, self.several = methods, target, grey, several
        self.caveats: list[str] = []
        self._open_set()

    def _open_set(self) -> None:
        """Where the target is a set made by `chromalab data plates`, take its true and its gray photographs."""
        from chromalab.data.plates import GREY_FOLDER, SET_FILE, TRUTH_FOLDER, PhotoSetRecord

        if self.target is None or not (self.target / SET_FILE).is_file():
            return
        record = PhotoSetRecord.load(self.target / SET_FILE)
        self.caveats = [f"{record.name}, gray from {record.grey}", *record.caveats]
        self.grey = self.grey or self.target / GREY_FOLDER
        self.target = self.target / TRUTH_FOLDER


def _folders(
    preds: Path | None, targets: Path | None, method: list[str] | None, target: Path | None, grey: Path | None
) -> _Folders:
    """Understand the three forms of the command.

    Raises:
        UsageError: they are mixed, or something is missing.
    """
    from chromalab.core.errors import UsageError
    from chromalab.evaluation.records import PREDICTIONS

    if method:
        if preds is not None:
            raise UsageError("give either PREDS TARGETS or --method NAME=DIR ... --target DIR, not both")
        if target is None and grey is None:
            raise UsageError("--method needs --target DIR with the true photographs, or --grey DIR with the gray ones")
        return _Folders(dict(_named(text) for text in _distinct(method)), target, grey, several=True)
    if preds is None:
        raise UsageError("give a folder of predictions and one of true photographs: chromalab evaluate PREDS TARGETS")
    if target is not None and targets is not None:
        raise UsageError("the true photographs are named twice: leave out --target")
    truth = targets or target
    if truth is None and grey is None:
        raise UsageError("give a folder of true photographs beside PREDS, or --grey DIR where nobody knows the truth")
    return _Folders({PREDICTIONS: preds}, truth, grey, several=False)


def _distinct(method: list[str]) -> list[str]:
    from chromalab.core.errors import UsageError

    names = [text.partition("=")[0] for text in method]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two methods are called '{twice}': give each a name of its own")
    return method


def _named(text: str) -> tuple[str, Path]:
    from chromalab.core.errors import UsageError

    name, separator, folder = text.partition("=")
    if not separator or not name or not folder:
        raise UsageError(f"a method is given as NAME=DIR, not '{text}'")
    return name, Path(folder)


def _measure(
    folders: _Folders, settings: EvaluationSettings, executor: Executor | None = None
) -> tuple[Comparison, EvaluationRecord | ComparisonRecord]:
    from chromalab.evaluation.folders import compare_folders, single_record

    comparison = compare_folders(
        folders.methods, target=folders.target, grey=folders.grey, settings=settings, executor=executor
    )
    return comparison, comparison.record if folders.several else single_record(comparison)


def _write(
    comparison: Comparison,
    record: EvaluationRecord | ComparisonRecord,
    json_file: Path | None,
    csv_file: Path | None,
    latex_file: Path | None,
    out: Path | None,
) -> None:
    from chromalab.core.files import write_text
    from chromalab.evaluation.scores import write_photo_scores

    several = len(comparison.scores) > 1
    if json_file is not None:
        record.save(json_file)
    if csv_file is not None:
        write_photo_scores(csv_file, comparison.scores, name_methods=several)
    if latex_file is not None:
        from chromalab.report.evaluation import latex_table

        write_text(latex_file, latex_table(comparison.record))
    if out is not None:
        from chromalab.report.evaluation import write_evaluation_report

        record.save(out / "evaluation.json")
        write_photo_scores(out / "photos.csv", comparison.scores, name_methods=True)
        write_evaluation_report(comparison, out)
        typer.echo(f"report: {out / 'report.html'}", err=True)


def _tell(console: Console, record: ComparisonRecord) -> None:
    wide_console().print(table_of(record))
    for name, reasons in _reasons(record).items():
        console.print(f"{name}: {'; '.join(reasons)}", markup=False)
    for note in record.notes:
        console.print(note, markup=False)
    _list(console, "photos left out", [f"{pair.name}: {pair.reason}" for pair in record.left_out])
    for method in record.methods:
        whose = f" of {method.name}" if len(record.methods) > 1 else ""
        _list(console, f"predictions{whose} have no counterpart", method.unmatched_preds)
    _list(console, "photographs have no prediction", record.unmatched_targets)


def _reasons(record: ComparisonRecord) -> dict[str, list[str]]:
    """Return why metrics have no value, or what is to be said of it, by metric."""
    found: dict[str, list[str]] = {}
    for method in record.methods:
        for name, summary in method.metrics.items():
            if summary.reason is not None and not _not_asked(summary) and not method.is_bound:
                reasons = found.setdefault(name, [])
                if summary.reason not in reasons:
                    reasons.append(summary.reason)
    return found


def table_of(record: ComparisonRecord) -> Table:
    """Return a table with a row for each metric that was asked for, and a column for each method."""
    from rich.table import Table

    from chromalab.evaluation.paired_tests import unbeaten

    table = Table(title=f"{record.n_photos} photos, protocol {record.protocol}")
    table.add_column("metric")
    table.add_column("", justify="right")
    single = len(record.methods) == 1
    for method in record.methods:
        table.add_column("mean" if single else method.name, justify="right")
    if single:
        for heading in ("95% interval", "truth", "photos"):
            table.add_column(heading, justify="right")
    best = unbeaten(record)
    for facts in record.metrics:
        label = f"{facts.label} ({facts.unit})" if facts.unit else facts.label
        summaries = [method.metrics[facts.name] for method in record.methods]
        cells = [
            f"[bold]{_number(summary.mean)}[/bold]"
            if method.name in best.get(facts.name, ())
            else _number(summary.mean)
            for method, summary in zip(record.methods, summaries, strict=True)
        ]
        table.add_row(label, ARROWS[facts.direction], *cells, *(_beside(summaries[0]) if single else ()))
    return table


def _beside(summary: MetricSummary) -> tuple[str, str, str]:
    ends = [_number(end) for end in (summary.ci_low, summary.ci_high)]
    interval = " to ".join(ends) if summary.ci_low is not None else "–"
    truth = _number(summary.truth) if summary.truth is not None else ""
    return interval, truth, str(summary.n)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _not_asked(summary: MetricSummary) -> bool:
    from chromalab.evaluation.folders import NOT_ASKED

    return summary.reason == NOT_ASKED


def _list(console: Console, heading: str, lines: list[str]) -> None:
    if not lines:
        return
    console.print(f"{len(lines)} {heading}:", markup=False)
    for line in lines[:_LISTED]:
        console.print(f"  {line}", markup=False)
    if len(lines) > _LISTED:
        console.print(f"  ... and {len(lines) - _LISTED} more; --json FILE has all of them", markup=False)

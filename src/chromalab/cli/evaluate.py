"""`chromalab evaluate`: scores of colorized photos and films."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.options import (
    ARROWS,
    INPUT,
    OUTPUT,
    Address,
    CpusPerTask,
    Default,
    Device,
    ExecutorName,
    GpusPerTask,
    OptionsFile,
    Retries,
    Threads,
    given,
    named_folders,
    option,
    ray_executor,
    switch,
    task_resources,
    wide_console,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.console import Console
    from rich.table import Table

    from chromalab.core.executors import Executor
    from chromalab.evaluation.folders import EvaluationSettings
    from chromalab.evaluation.records import ComparisonRecord, EvaluationRecord, MetricSummary
    from chromalab.evaluation.scores import Comparison

MEASUREMENT = "Measurement"
_LISTED = 10
_PARTLY_FAILED = 1


def evaluate(
    preds: Annotated[Path | None, typer.Argument(metavar="PREDS", help="Folder of predictions, or a film.")] = None,
    targets: Annotated[Path | None, typer.Argument(metavar="TARGETS",
        help="Folder of ground-truth photos, a set made by `chromalab data plates`, or a film.")] = None,
    *,
    method: Annotated[list[str] | None, option(INPUT, "NAME=DIR", "Name and folder of predictions (or "
        "film) to compare, instead of PREDS; repeatable.")] = None,
    target: Annotated[Path | None, option(INPUT, "DIR", "Folder of ground-truth photos, or film, "
        "with --method.")] = None,
    grey: Annotated[Path | None, option(INPUT, "DIR", "Folder of the gray photos, or film, that "
        "was colorized.")] = None,
    real: Annotated[Path | None, option(INPUT, "DIR", "Folder of real photos for set metrics, where there "
        "is no ground truth.")] = None,
    labels: Annotated[Path | None, option(INPUT, "FILE", "CSV file with columns photo,label: the class of "
        "every photo, 0 to 999.")] = None,
    classifier: Annotated[Path | None, option(INPUT, "FILE", "Python file that defines classify(rgb), used "
        "with --labels.")] = None,
    video: Annotated[bool | None, switch(INPUT, "Treat images as video frames in the order of their names.",
        "--video")] = None,
    every: Annotated[int | None, option(INPUT, "N", "Measure every Nth frame of films (default: every frame); the "
        "warp error always uses all frames.", min=1)] = None,
    protocol: Annotated[str, option(MEASUREMENT, "NAME", "Evaluation protocol (see `chromalab list protocols`).",
        default=Default("chromalab.evaluation.records:PROTOCOL"))],
    metrics: Annotated[str | None, option(MEASUREMENT, "NAME,...", "Comma-separated metrics (see `chromalab "
        "list metrics`); omit to compute all.")] = None,
    bounds: Annotated[bool | None, switch(MEASUREMENT, "Score the gray baseline and the ground truth, too "
        "(default: for several methods or with labels).", "--bounds/--no-bounds")] = None,
    json_file: Annotated[Path | None, option(OUTPUT, "FILE", "JSON file for the result.", "--json")] = None,
    csv_file: Annotated[Path | None, option(OUTPUT, "FILE", "CSV file for the values of every photo.", "--csv")] = None,
    latex_file: Annotated[Path | None, option(OUTPUT, "FILE", "LaTeX file for the table.", "--latex")] = None,
    out: Annotated[Path | None, option(OUTPUT, "DIR", "Folder for all of these and an HTML report; rerun "
        "the command to resume.")] = None,
    device: Device,
    threads: Threads,
    executor: ExecutorName = "local",
    address: Address = None,
    cpus_per_task: CpusPerTask = None,
    gpus_per_task: GpusPerTask = None,
    retries: Retries = None,
    _options_file: OptionsFile = None,
) -> None:  # fmt: skip
    """Score predictions against ground-truth photos of the same names, or without ground truth as far as possible.

    Forms: `evaluate PREDS TARGETS`, `evaluate --method A=DIR --method B=DIR --target DIR`, and without ground truth
    `evaluate PREDS --grey DIR`. Files belong together if their relative paths are equal except for the suffix. Photos
    that cannot be read or differ in size are left out and listed. The exit code is 1 if photos were left out, and 2 if
    nothing could be measured.

    Films take the place of folders: `evaluate PRED.mp4 TARGET.mp4`. They are compared frame by frame and must have the
    same size and number of frames. Their frames are stored in a temporary folder while they are measured.
    """
    from rich.console import Console

    from chromalab.core.files import make_folder
    from chromalab.evaluation.folders import EvaluationSettings, single_record

    folders = _folders(preds, targets, method, target, grey)
    for path in (json_file, csv_file, latex_file):
        if path is not None:
            make_folder(path.parent)  # fail before the work if the folder cannot be written
    settings = EvaluationSettings(
        protocol=protocol,
        metrics=names_of(metrics),
        real=real,
        labels=labels,
        classifier=classifier,
        bounds=folders.several or labels is not None if bounds is None else bounds,
        device=device,
        threads=threads,
        state=out / "state" if out is not None else None,
        **given(video=video),
    )
    with ExitStack() as stack:
        cluster = None
        if executor != "local":
            cluster = stack.enter_context(ray_executor(task_resources(cpus_per_task, gpus_per_task, retries), address))
        comparison = stack.enter_context(_compared(folders, settings, every, cluster))
        record = comparison.record if folders.several else single_record(comparison)
        _write(comparison, record, json_file, csv_file, latex_file, out)
    console = Console(soft_wrap=True, highlight=False)
    for caveat in folders.caveats:
        console.print(caveat, markup=False)
    _print_comparison(console, comparison.record)
    if not record.is_complete:
        raise typer.Exit(_PARTLY_FAILED)


def names_of(text: str | None) -> list[str] | None:
    """Return the names in a comma-separated list; None stays None."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


class _Folders:
    """The folders that the command line names."""

    def __init__(self, methods: dict[str, Path], target: Path | None, grey: Path | None, *, several: bool) -> None:
        self.methods, self.target, self.grey, self.several = methods, target, grey, several
        self.caveats: list[str] = []
        self._open_set()

    def _open_set(self) -> None:
        """Replace a target made by `chromalab data plates` by its folders of ground-truth and gray photos."""
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
    """Return the folders that one of the three forms of the command names.

    Raises:
        UsageError: the forms are mixed, or a folder is missing.
    """
    from chromalab.core.errors import UsageError
    from chromalab.evaluation.records import PREDICTIONS

    if method:
        if preds is not None:
            raise UsageError("give either PREDS TARGETS or --method NAME=DIR ... --target DIR, not both")
        if target is None and grey is None:
            raise UsageError("--method needs --target DIR with ground-truth photos, or --grey DIR with gray photos")
        return _Folders(named_folders(method, "--method"), target, grey, several=True)
    if preds is None:
        raise UsageError(
            "there are no predictions; give folders of predictions and ground truth: chromalab evaluate PREDS TARGETS"
        )
    if target is not None and targets is not None:
        raise UsageError("TARGETS and --target both name the ground truth; give one of them")
    truth = targets or target
    if truth is None and grey is None:
        raise UsageError(
            "PREDS needs TARGETS, a folder of ground-truth photos, or --grey DIR if there is no ground truth"
        )
    return _Folders({PREDICTIONS: preds}, truth, grey, several=False)


def _compared(
    folders: _Folders, settings: EvaluationSettings, every: int | None, executor: Executor | None
) -> AbstractContextManager[Comparison]:
    """Return the comparison of folders or films, in a context in which its files can be read."""
    from chromalab.core.errors import UsageError
    from chromalab.evaluation.films import are_films, compared_films
    from chromalab.evaluation.folders import compare_folders

    others = [path for path in (folders.target, folders.grey) if path is not None]
    if not are_films([*folders.methods.values(), *others]):
        if every is not None:
            raise UsageError("--every selects frames of films: omit it for folders")
        return nullcontext(
            compare_folders(
                folders.methods, target=folders.target, grey=folders.grey, settings=settings, executor=executor
            )
        )
    if executor is not None:
        raise UsageError("films are measured on this machine: omit --executor")
    return compared_films(
        folders.methods, target=folders.target, grey=folders.grey, settings=settings, every=every or 1
    )


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


def _print_comparison(console: Console, record: ComparisonRecord) -> None:
    wide_console().print(table_of(record))
    for name, reasons in _reasons(record).items():
        console.print(f"{name}: {'; '.join(reasons)}", markup=False)
    for note in record.notes:
        console.print(note, markup=False)
    _list(console, "photos left out", [f"{pair.name}: {pair.reason}" for pair in record.left_out])
    for method in record.methods:
        whose = f" of {method.name}" if len(record.methods) > 1 else ""
        _list(console, f"predictions{whose} have no counterpart", method.unmatched_preds)
    _list(console, "photos have no prediction", record.unmatched_targets)


def _reasons(record: ComparisonRecord) -> dict[str, list[str]]:
    """Return by metric why it has no value, and caveats on its value."""
    found: dict[str, list[str]] = {}
    for method in record.methods:
        for name, summary in method.metrics.items():
            if summary.reason is not None and not _not_asked(summary) and not method.is_bound:
                reasons = found.setdefault(name, [])
                if summary.reason not in reasons:
                    reasons.append(summary.reason)
    return found


def table_of(record: ComparisonRecord) -> Table:
    """Return a table with one row per requested metric and one column per method."""
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
        console.print(f"  ... and {len(lines) - _LISTED} more; --json FILE lists all of them", markup=False)

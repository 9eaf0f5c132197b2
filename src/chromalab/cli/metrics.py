"""`chromalab metrics`: agreement of metrics with human ratings, and tables of results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.evaluate import names_of, table_of
from chromalab.cli.options import INPUT, OUTPUT, Device, Threads, option, wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from chromalab.evaluation.people import PeopleRecord, PeopleRow
    from chromalab.evaluation.ratings import Ratings

app = typer.Typer(help="Correlate metrics with human ratings, and join tables of results.", no_args_is_help=True)

Hecd = Annotated[Path | None, option(INPUT, "DIR", "Folder with images/ and ratings.csv, in the layout of HECD.",
    "--hecd")]  # fmt: skip
OwnRatings = Annotated[Path | None, option(INPUT, "FILE", "CSV file with columns image, reference and score (higher "
    "is better).", "--ratings")]  # fmt: skip


@app.command()
def validate(
    *,
    hecd: Hecd = None,
    ratings: OwnRatings = None,
    names: Annotated[str | None, option(INPUT, "NAME,...", "Comma-separated metrics (see `chromalab list metrics`); "
        "omit to compute all.", "--metrics")] = None,
    parameters: Annotated[Path | None, option(INPUT, "FILE", "File of `metrics calibrate` with parameters "
        "of color_perceptual.")] = None,
    json_file: Annotated[Path | None, option(OUTPUT, "FILE", "JSON file for the result.", "--json")] = None,
    out: Annotated[Path | None, option(OUTPUT, "DIR", "Folder for result, scores and an HTML report.")] = None,
    device: Device,
    threads: Threads,
) -> None:  # fmt: skip
    """Correlate every metric with human ratings of colorized photos.

    The table has the rank correlation over all images and within scenes, Kendall's tau, Pearson's correlation after a
    logistic fit, the share of pairs in the same order as the ratings, and the agreement between raters, for all images
    and for the outputs of colorizers alone. A metric that was fitted to these ratings is scored out of fold.
    """
    from chromalab.core.files import make_folder
    from chromalab.evaluation.calibrate import load_parameters, out_of_fold_scores
    from chromalab.evaluation.people import validate_metrics
    from chromalab.metrics.perceptual import color_perceptual_metric

    if json_file is not None:
        make_folder(json_file.parent)
    rated = _ratings(hecd, ratings)
    own = load_parameters(parameters) if parameters is not None else None
    folds = out_of_fold_scores(rated, own)
    scores = validate_metrics(
        rated,
        metrics=names_of(names),
        device=device,
        threads=threads,
        variants=[color_perceptual_metric(own)] if own is not None else [],
        out_of_fold={"color_perceptual": folds} if folds is not None else {},
    )
    if json_file is not None:
        scores.record.save(json_file)
    if out is not None:
        from chromalab.report.people import write_people_report

        typer.echo(f"report: {write_people_report(scores, out)}", err=True)
    _print_agreement(wide_console(), scores.record)


@app.command()
def calibrate(
    *,
    out: Annotated[Path, option(OUTPUT, "FILE", "JSON file for the parameters.", "--out", "-o")],
    hecd: Hecd = None,
    ratings: OwnRatings = None,
    threads: Threads,
) -> None:  # fmt: skip
    """Fit the parameters of color_perceptual to your own ratings, and report its accuracy on unseen scenes.

    The accuracy is measured by leaving out one scene at a time. Pass the file to `metrics validate --parameters`.
    """
    from chromalab.evaluation.calibrate import calibrate as fit

    fitted = fit(_ratings(hecd, ratings), threads=threads)
    fitted.save(out)
    typer.echo(fitted.summary)


@app.command()
def table(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT", help="JSON files of `evaluate --json`.")],
    csv_file: Annotated[Path | None, option(None, "FILE", "CSV file for the table.", "--csv")] = None,
    latex_file: Annotated[Path | None, option(None, "FILE", "LaTeX file for the table.", "--latex")] = None,
) -> None:  # fmt: skip
    """Join the results of several evaluations in one table, if they are comparable.

    Results under other protocols, with other networks or on other photos are refused with the difference.
    """
    from chromalab.core.files import write_text
    from chromalab.evaluation.summary import join_results
    from chromalab.report.evaluation import latex_table, summary_csv

    record = join_results(results)
    if csv_file is not None:
        write_text(csv_file, summary_csv(record))
    if latex_file is not None:
        write_text(latex_file, latex_table(record))
    wide_console().print(table_of(record))


def _ratings(hecd: Path | None, ratings: Path | None) -> Ratings:
    """Read the ratings that one of the two options names.

    Raises:
        UsageError: none or both options are given.
    """
    from chromalab.core.errors import UsageError
    from chromalab.evaluation.ratings import load_hecd, load_ratings_csv

    if (hecd is None) == (ratings is None):
        raise UsageError("the command needs one source of ratings; give either --hecd DIR or --ratings FILE")
    return load_hecd(hecd) if hecd is not None else load_ratings_csv(ratings or Path())


def _print_agreement(console: Console, record: PeopleRecord) -> None:
    from rich.table import Table

    from chromalab.metrics.registry import METRICS

    shown = Table(title=f"{record.ratings}: {record.n_images} images of {record.n_scenes} scenes, {record.n_real} real")
    shown.add_column("metric")
    for heading in ("SRCC", "95% interval", "scenes", "KRCC", "PLCC", "pairs", "real: SRCC", "95% interval"):
        shown.add_column(heading, justify="right")
    ranked = sorted(record.all.items(), key=lambda item: -(item[1].srcc if item[1].srcc is not None else -2))
    for name, row in ranked:
        label = METRICS[name].label if name in METRICS else f"  {name}"
        shown.add_row(label + (" ‡" if row.out_of_fold else ""), *_cells(row, record.real[name]))
    console.print(shown)
    if any(row.out_of_fold for row in record.all.values()):
        console.print("‡ out of fold: each image is scored with parameters fitted to other scenes", markup=False)
    for subset, ceiling in record.ceiling.items():
        values = (ceiling.single, ceiling.split_half, ceiling.corrected, ceiling.ceiling)
        single, halves, corrected, root = map(_number, values)
        console.print(
            f"agreement between raters, {subset}: one rating against the others {single}, split halves {halves}, "
            f"corrected {corrected}, ceiling {root}",
            markup=False,
        )


def _cells(row: PeopleRow, real: PeopleRow) -> tuple[str, ...]:
    values = (row.scene_srcc, row.krcc, row.plcc, row.pairwise)
    return (_number(row.srcc), _interval(row), *map(_number, values), _number(real.srcc), _interval(real))


def _interval(row: PeopleRow) -> str:
    return "–" if row.srcc_low is None else f"{_number(row.srcc_low)} to {_number(row.srcc_high)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

"""`chromalab metrics`: metrics against people, and tables of results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.options import Device, Threads, wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from chromalab.evaluation.people import PeopleRecord, PeopleRow
    from chromalab.evaluation.ratings import Ratings

app = typer.Typer(help="Hold metrics against people, and lay results side by side.", no_args_is_help=True)

Hecd = Annotated[
    Path | None,
    typer.Option("--hecd", metavar="DIR", help="Folder with images/ and ratings.csv, as HECD.", show_default=False),
]
OwnRatings = Annotated[
    Path | None,
    typer.Option("--ratings", metavar="CSV", help="image, reference, score (higher is better).", show_default=False),
]


@app.callback()
def metrics() -> None:
    """Hold metrics against people, and lay results side by side."""


@app.command()
def validate(
    hecd: Hecd = None,
    ratings: OwnRatings = None,
    names: Annotated[
        str | None, typer.Option("--metrics", help="Names from `chromalab list metrics`; all where it is left out.")
    ] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Parameters of `metrics calibrate` for color_perceptual.", show_default=False
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write result, scores and an HTML report here.")
    ] = None,
    device: Device = "auto",
    threads: Threads = 0,
) -> None:
    """Correlate every metric with human ratings of colorized photographs.

    Rank correlation over all images and within scenes, Kendall's tau, Pearson's correlation after a logistic fit, the
    share of pairs in people's order, and how far people agree with each other; over all images and over the outputs of
    colorizers alone. A metric that was fitted to these very ratings is judged out of fold.
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
        metrics=[name.strip() for name in names.split(",") if name.strip()] if names is not None else None,
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
    _tell(wide_console(), scores.record)


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Write the parameters here.")],
    hecd: Hecd = None,
    ratings: OwnRatings = None,
    threads: Threads = 0,
) -> None:
    """Fit color_perceptual's few parameters to ratings of your own, and say honestly how well it then predicts.

    Everything is judged by leaving out one scene at a time. Give the file to `metrics validate --parameters`.
    """
    from chromalab.evaluation.calibrate import calibrate as fit

    fitted = fit(_ratings(hecd, ratings), threads=threads)
    fitted.save(out)
    typer.echo(fitted.summary)


@app.command()
def table(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT.json...", help="Results of `evaluate --json`.")],
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the table here.", show_default=False)] = None,
    latex_file: Annotated[
        Path | None, typer.Option("--latex", help="Write the table for a paper here.", show_default=False)
    ] = None,
) -> None:
    """Lay results of several evaluations side by side, if they were computed by the same rules.

    Results under other protocols, with other networks or on other photographs are refused, with what differs.
    """
    from chromalab.cli.evaluate import table_of
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
        UsageError: none or both were given.
    """
    from chromalab.core.errors import UsageError
    from chromalab.evaluation.ratings import load_hecd, load_ratings_csv

    if (hecd is None) == (ratings is None):
        raise UsageError("give the ratings by --hecd DIR or by --ratings CSV")
    return load_hecd(hecd) if hecd is not None else load_ratings_csv(ratings or Path())


def _tell(console: Console, record: PeopleRecord) -> None:
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
        console.print("‡ out of fold: each image was scored by parameters that had not seen its scene", markup=False)
    for subset, ceiling in record.ceiling.items():
        values = (ceiling.single, ceiling.split_half, ceiling.corrected, ceiling.ceiling)
        single, halves, corrected, root = map(_number, values)
        console.print(
            f"people among themselves, {subset}: one rating against the rest {single}, halves {halves}, corrected "
            f"{corrected}, ceiling {root}",
            markup=False,
        )


def _cells(row: PeopleRow, real: PeopleRow) -> tuple[str, ...]:
    values = (row.scene_srcc, row.krcc, row.plcc, row.pairwise)
    return (_number(row.srcc), _interval(row), *map(_number, values), _number(real.srcc), _interval(real))


def _interval(row: PeopleRow) -> str:
    return "–" if row.srcc_low is None else f"{_number(row.srcc_low)} to {_number(row.srcc_high)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"

"""`chromalab data`: looking after folders of photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chromalab.cli.options import Data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from chromalab.color.bins import PriorRecord
    from chromalab.data.check import CheckReport, Copy

SHOWN = 20
"""Findings of a kind that are printed; the JSON file has them all."""

app = typer.Typer(help="Look after folders of photos.", no_args_is_help=True)


@app.callback()
def data() -> None:
    """Look after folders of photos."""


@app.command()
def check(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Folders of photos.", show_default=False)],
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every finding to this file.")
    ] = None,
    colourless_threshold: Annotated[
        float,
        typer.Option(min=0.0, max=255.0, help="Mean of max(R,G,B) - min(R,G,B) that a usable photo reaches."),
    ] = 10.0,
) -> None:
    """List photos that a study would leave out, copies, and photos that two folders share.

    Unreadable, too small, gray and nearly colourless files; files with the same bytes; and photos that look the same,
    straight or mirrored. Findings are no error: the exit code is 0.
    """
    from rich.console import Console

    from chromalab.data.check import check_folders

    report = check_folders(folders, colourless_threshold=colourless_threshold)
    if json_file is not None:
        report.save(json_file)
    _print_report(Console(soft_wrap=True, highlight=False, markup=False), report)


@app.command()
def prior(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Write the prior to this .json file.")],
    data: Data = None,
    size: Annotated[
        int, typer.Option(min=16, max=4096, metavar="PX", help="Scale photos to this shorter side first.")
    ] = 176,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Draw the prior into this .png file.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the summary here; - is standard output.")
    ] = None,
) -> None:
    """Count the colors of photos over the ab bins, for losses that give rare colors more weight.

    A study counts those of its own training photos; name the file as `data: prior:` in its configuration to take these
    instead. Photos without color are left out, as in a study.
    """
    from chromalab.data.prior import prior_chart

    _check_endings(out, picture)
    record = _counted(data, size)
    record.save(out)
    if picture is not None:
        from chromalab.photo.writing import write_png

        write_png(picture, prior_chart(record.raw_probabilities))
    _tell_prior(record, json_file)


@app.command()
def plates(
    folder: Annotated[Path, typer.Argument(metavar="PLATES", help="Folder of plates.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="SET", help="Write the set into this new folder.")],
    grey: Annotated[
        Literal["luma", "red", "green", "blue"],
        typer.Option(help="What is to be colorized: the luma of the colors, or the exposure through one filter."),
    ] = "luma",
) -> None:
    """Make a set to colorize and evaluate of three-color plates, as Prokudin-Gorskii's.

    PLATES holds ID_r, ID_g, ID_b (a plate's aligned exposures) and, where there is one, ID_rgb (its stack in color).
    Colorize SET/grey, then run `chromalab evaluate RESULTS SET`.
    """
    from chromalab.data.plates import GREY_FOLDER, make_plate_set

    record = make_plate_set(folder, out, grey=grey)
    typer.echo(f"{len(record.photos)} plates, gray from {grey}: colorize {out / GREY_FOLDER}, then")
    typer.echo(f"chromalab evaluate RESULTS {out}")
    for caveat in record.caveats:
        typer.echo(caveat)


def _check_endings(out: Path, picture: Path | None) -> None:
    """Find out before the work what could only fail after it."""
    from chromalab.core.errors import UsageError
    from chromalab.core.files import make_folder

    for path, ending in ((out, ".json"), (picture, ".png")):
        if path is None:
            continue
        if path.suffix != ending:
            raise UsageError(f"{path}: give a name that ends in {ending}")
        if path.is_dir():
            raise UsageError(f"{path} is a folder: give the name of a file in it")
        make_folder(path.parent)


def _counted(data: Path | None, size_px: int) -> PriorRecord:
    from chromalab.data.cache import open_cache
    from chromalab.data.prior import photo_prior
    from chromalab.data.sources import folder_sources, sample_sources

    sources = sample_sources() if data is None else folder_sources(data)
    photos = open_cache(sources, size_px=size_px)
    return photo_prior(photos, source="samples" if data is None else data.resolve().name)


def _tell_prior(record: PriorRecord, json_file: Path | None) -> None:
    import sys

    from chromalab.core.files import write_text
    from chromalab.data.prior import PriorSummary

    summary = PriorSummary.of(record)
    if json_file is not None and json_file != Path("-"):
        write_text(json_file, summary.model_dump_json(indent=2) + "\n")
    text = summary.model_dump_json(indent=2) if json_file == Path("-") else "\n".join(summary.lines())
    sys.stdout.write(text + "\n")


def _print_report(console: Console, report: CheckReport) -> None:
    console.print(_table(report))
    _print_list(console, "Left out", [f"{row.photo}: {row.reason}" for row in report.unusable])
    shared = [_copy_line(copy) for copy in report.copies if copy.shared]
    inside = [_copy_line(copy) for copy in report.copies if not copy.shared]
    if len(report.folders) > 1:
        _print_list(console, "Shared between folders", shared)
    _print_list(console, "Copies inside a folder", inside)


def _table(report: CheckReport) -> Table:
    """A row for each count and a column for each folder, since names of folders are long."""
    from rich.table import Table
    from rich.text import Text

    from chromalab.data.usable import SKIP_KINDS

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for row in report.folders:
        table.add_column(Text(row.folder, overflow="fold"), justify="right")
    table.add_row("photos found", *(str(row.n_found) for row in report.folders))
    table.add_row("usable", *(str(row.n_usable) for row in report.folders))
    for kind in SKIP_KINDS:
        table.add_row(kind, *(str(row.unusable.get(kind, 0)) for row in report.folders))
    return table


def _print_list(console: Console, title: str, lines: Sequence[str]) -> None:
    console.print(f"\n{title}: {len(lines) or 'none'}")
    for line in lines[:SHOWN]:
        console.print(f"  {line}")
    if len(lines) > SHOWN:
        console.print(f"  and {len(lines) - SHOWN} more: --json FILE lists them all")


def _copy_line(copy: Copy) -> str:
    pair = f"{copy.first} = {copy.second}"
    if copy.kind == "same content":
        return f"{pair}: same content"
    mirrored = ", mirrored" if copy.mirrored else ""
    return f"{pair}: near copy{mirrored} ({copy.distance} of 64 bits differ, correlation {copy.correlation:.2f})"

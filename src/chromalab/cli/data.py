"""`chromalab data`: checks and preparation of image folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chromalab.cli.options import INPUT, Default, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from chromalab.color.bins import PriorRecord
    from chromalab.data.check import CheckReport, Copy

SHOWN = 20
"""Largest number of findings of one kind that are printed; the JSON file has all of them."""

app = typer.Typer(help="Check and prepare image folders.", no_args_is_help=True)


@app.command()
def check(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of photos.")],
    *,
    json_file: Annotated[Path | None, option(None, "FILE", "JSON file for every finding.", "--json")] = None,
    colourless_threshold: Annotated[float, option(None, "X", "Smallest mean of max(R,G,B) - min(R,G,B) of a usable "
        "photo.", min=0, max=255, default=Default("chromalab.data.usable:COLOURLESS_THRESHOLD"))],
) -> None:  # fmt: skip
    """List unusable photos, copies, and photos that two folders share.

    Unusable photos are unreadable, too small, gray or nearly colorless; a study leaves them out. Copies have the same
    bytes, or look the same, also mirrored. The exit code is 0 whatever is found.
    """
    from rich.console import Console

    from chromalab.data.check import check_folders

    report = check_folders(folders, colourless_threshold=colourless_threshold)
    if json_file is not None:
        report.save(json_file)
    _print_report(Console(soft_wrap=True, highlight=False, markup=False), report)


@app.command()
def prior(
    out: Annotated[Path, option(None, "FILE.json", "JSON file for the prior.", "--out")],
    data: Annotated[Path | None, option(INPUT, "DIR", "Folder of photographs; omit for the built-in samples.",
        "--data")] = None,
    size: Annotated[int, option(None, "PX", "Shorter side to which photos are resized first, in pixels.", min=16,
        max=4096)] = 176,
    picture: Annotated[Path | None, option(None, "FILE.png", "PNG file for a plot of the prior.",
        "--picture")] = None,
    json_file: Annotated[Path | None, option(None, "FILE", "JSON file for the summary (- = standard output).",
        "--json")] = None,
) -> None:  # fmt: skip
    """Count the colors of photos over the ab bins, for losses that give rare colors more weight.

    By default a study counts the colors of its own training photos. To use the file instead, name it as `data: prior:`
    in the study's configuration. Photos without color are left out, as in a study.
    """
    from chromalab.data.prior import prior_chart

    _check_endings(out, picture)
    record = _counted(data, size)
    record.save(out)
    if picture is not None:
        from chromalab.photo.writing import write_png

        write_png(picture, prior_chart(record.raw_probabilities))
    _print_prior(record, json_file)


@app.command()
def plates(
    folder: Annotated[Path, typer.Argument(metavar="PLATES", help="Folder of plates.")],
    out: Annotated[Path, option(None, "SET", "New folder for the set.", "--out")],
    grey: Annotated[Literal["luma", "red", "green", "blue"], option(None, "NAME", "Source of the gray "
        "photos: luma of the colors, or the exposure through one filter.")] = "luma",
) -> None:  # fmt: skip
    """Make a set of gray and true photos from three-color plates, such as Prokudin-Gorskii's.

    PLATES holds ID_r, ID_g and ID_b (the aligned exposures of a plate) and optionally ID_rgb (their color composite).
    Colorize SET/grey, then run `chromalab evaluate RESULTS SET`.
    """
    from chromalab.data.plates import GREY_FOLDER, make_plate_set

    record = make_plate_set(folder, out, grey=grey)
    typer.echo(f"{len(record.photos)} plates, gray from {grey}: colorize {out / GREY_FOLDER}, then")
    typer.echo(f"chromalab evaluate RESULTS {out}")
    for caveat in record.caveats:
        typer.echo(caveat)


def _check_endings(out: Path, picture: Path | None) -> None:
    """Refuse output files that could not be written, before the work."""
    from chromalab.core.errors import UsageError
    from chromalab.core.files import make_folder

    for path, ending in ((out, ".json"), (picture, ".png")):
        if path is None:
            continue
        if path.suffix != ending:
            raise UsageError(f"{path}: expected a file name that ends in {ending}")
        if path.is_dir():
            raise UsageError(f"{path} is a folder; give the name of a file")
        make_folder(path.parent)


def _counted(data: Path | None, size_px: int) -> PriorRecord:
    from chromalab.data.cache import open_cache
    from chromalab.data.prior import photo_prior
    from chromalab.data.sources import folder_sources, sample_sources

    sources = sample_sources() if data is None else folder_sources(data)
    photos = open_cache(sources, size_px=size_px)
    return photo_prior(photos, source="samples" if data is None else data.resolve().name)


def _print_prior(record: PriorRecord, json_file: Path | None) -> None:
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
    """Return a table with one row per count and one column per folder."""
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
        console.print(f"  and {len(lines) - SHOWN} more; --json FILE lists all of them")


def _copy_line(copy: Copy) -> str:
    pair = f"{copy.first} = {copy.second}"
    if copy.kind == "same content":
        return f"{pair}: same content"
    mirrored = ", mirrored" if copy.mirrored else ""
    return f"{pair}: near copy{mirrored} ({copy.distance} of 64 bits differ, correlation {copy.correlation:.2f})"

"""`chromalab data`: looking after folders of photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

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

    Unreadable, too small, grey and nearly colourless files; files with the same bytes; and photos that look the same,
    straight or mirrored. Findings are no error: the exit code is 0.
    """
    from rich.console import Console

    from chromalab.data.check import check_folders

    report = check_folders(folders, colourless_threshold=colourless_threshold)
    if json_file is not None:
        report.save(json_file)
    _print_report(Console(soft_wrap=True, highlight=False, markup=False), report)


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

    from chromalab.data.photoset import SKIP_KINDS

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

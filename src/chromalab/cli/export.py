"""`chromalab export`: a trained network as a file that colorizes without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="OUT of `train`, or OUT/runs/RUN of a comparison.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The ONNX file; its record is put beside it.")],
    name: Annotated[str | None, typer.Option(help="The model's name in metadata; else the file's.")] = None,
    size: Annotated[
        int | None, typer.Option(min=32, max=2048, help="Shorter side at which it sees photos; that of its training.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Keep weights in single precision; twice the size.")] = False,
) -> None:
    """Write a trained network as an ONNX file for `chromalab colorize --model`.

    An unfinished training gives the network of its best validation so far.
    """
    from chromalab.studies.networks import export_run

    spec = export_run(run, out, name=name, size_px=size, half=not full)
    typer.echo(f"{out} ({out.stat().st_size / 1e6:.1f} MB), record {out.with_suffix('.yaml').name}; model {spec.name}")

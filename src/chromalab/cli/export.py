"""`chromalab export`: a trained network as an ONNX file, which needs no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chromalab.cli.options import option, switch


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training, or OUT/runs/RUN of a study.")],
    out: Annotated[Path, option(None, "FILE.onnx", "ONNX file to write; its record goes beside it.", "--out", "-o")],
    name: Annotated[str | None, option(None, "NAME", "Name of the model in its metadata; omit to use that "
        "of the file.")] = None,
    size: Annotated[int | None, option(None, "PX", "Shorter side of the network's input, in pixels; omit to use the "
        "crop size of the training.", min=32, max=2048)] = None,
    full: Annotated[bool, switch(None, "Keep weights in single precision, which doubles the file size.",
        "--full")] = False,
) -> None:  # fmt: skip
    """Export a trained network as an ONNX file for `chromalab colorize --model`.

    An unfinished training gives the network with the best validation so far.
    """
    from chromalab.studies.networks import export_run

    spec = export_run(run, out, name=name, size_px=size, half=not full)
    typer.echo(f"{out} ({out.stat().st_size / 1e6:.1f} MB), record {out.with_suffix('.yaml').name}; model {spec.name}")

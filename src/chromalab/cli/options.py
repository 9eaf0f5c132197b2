"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chromalab.training.settings import RuntimeSettings

ARROWS = {"lower": "↓", "higher": "↑", "closer": "≈"}
"""What is better, in tables on the terminal."""

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of photographs; the built-in samples where it is left out.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads of PyTorch; 0 takes the physical cores.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="Shrink everything to seconds, to see that it works.")]


def runtime_settings(device: str, threads: int, *, sample_every: int = 0) -> RuntimeSettings:
    """Return the settings of where and how to run."""
    from chromalab.training.settings import RuntimeSettings

    return RuntimeSettings(device=device, threads=threads, sample_every=sample_every)

"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from chromalab.training.settings import RuntimeSettings

ARROWS = {"lower": "↓", "higher": "↑", "closer": "≈"}
"""What is better, in tables on the terminal."""

PIPE_WIDTH = 120
"""Columns of tables where nobody's window sets the width."""

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of photographs; the built-in samples where it is left out.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads of PyTorch; 0 takes the physical cores.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="Shrink everything to seconds, to see that it works.")]
Balance = Annotated[
    bool, typer.Option("--balance", help="Weigh the terms of objectives by the norms of their gradients.")
]
Plugin = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="Python file with losses of your own, or the name of an installed plugin that must load; repeatable.",
        show_default=False,
    ),
]


def runtime_settings(device: str, threads: int, *, sample_every: int = 0) -> RuntimeSettings:
    """Return the settings of where and how to run."""
    from chromalab.training.settings import RuntimeSettings

    return RuntimeSettings(device=device, threads=threads, sample_every=sample_every)


def wide_console() -> Console:
    """Return a console that gives tables room where nobody's window sets the width."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, PIPE_WIDTH))

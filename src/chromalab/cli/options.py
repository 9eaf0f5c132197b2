"""Options that several commands share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from chromalab.core.ray_executor import RayExecutor
    from chromalab.training.settings import RuntimeSettings

ARROWS = {"lower": "↓", "higher": "↑", "closer": "≈"}
"""What is better, in tables on the terminal."""

PIPE_WIDTH = 120
"""Columns of tables where nobody's window sets the width."""

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of photographs; the built-in samples where it is left out.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Devices = Annotated[int, typer.Option(min=1, help="Devices that share one training's batches; on a CPU, processes.")]
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


ExecutorName = Annotated[Literal["local", "ray"], typer.Option(help="local: on this machine; ray: over a cluster.")]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Of a Ray cluster, or auto; Ray on this machine where left out.", show_default=False
    ),
]
CpusPerTask = Annotated[
    float, typer.Option(min=0.1, help="Ray: processors for each task; its threads, too, unless --threads says.")
]
GpusPerTask = Annotated[float, typer.Option(min=0, help="Ray: GPUs for each task; 0.5 lets two share one.")]
Retries = Annotated[int, typer.Option(min=0, help="Ray: how often a task is tried again whose node died.")]


def ray_executor(
    address: str | None, cpus: float, gpus: float, retries: int, *, fresh_processes: bool = False
) -> RayExecutor:
    """Return an executor on a Ray cluster.

    Raises:
        UsageError: Ray is not installed, no cluster answers, or none of its nodes is large enough.
    """
    from chromalab.core.ray_executor import RayExecutor, Resources

    return RayExecutor(Resources(cpus, gpus, retries), address, fresh_processes=fresh_processes)


def runtime_settings(device: str, threads: int, *, sample_every: int = 0, devices: int = 1) -> RuntimeSettings:
    """Return the settings of where and how to run."""
    from chromalab.training.settings import RuntimeSettings

    return RuntimeSettings(device=device, devices=devices, threads=threads, sample_every=sample_every)


def wide_console() -> Console:
    """Return a console that gives tables room where nobody's window sets the width."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, PIPE_WIDTH))

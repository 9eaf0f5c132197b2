"""What commands share: declarations of options, defaults that settings classes hold, and the width of tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from chromalab.cli.options_file import read_options_file
from chromalab.core.errors import UsageError
from chromalab.core.extras import missing_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from chromalab.core.ray_executor import RayExecutor, Resources
    from chromalab.training.settings import RuntimeSettings

ARROWS = {"lower": "↓", "higher": "↑", "closer": "≈"}
"""Which values of a metric are better, in tables on the terminal."""

PIPE_WIDTH = 120
"""Columns of tables that go to a file or a pipe."""

INPUT, OUTPUT, RECORDS = "Input", "Output", "Records"
COLOR, MODEL, VERSIONS, FILM = "Color", "Model", "Plausible versions", "Film"
OBJECTIVE, PERFORMANCE, CLUSTER = "Objective", "Performance", "Ray cluster"
SERVER, LIMITS = "Server", "Limits"
"""Panels of `--help` that several commands have."""


@dataclass(frozen=True)
class Default:
    """The default of a field, read from its settings class when a command needs it.

    Settings classes take too long to import for `chromalab --help`, and a copy of the value here could disagree.

    Attributes:
        reference: `module:Class.field`, or `module:CONSTANT`.
        convert: from the field's unit to that of the option.

    >>> Default("chromalab.training.settings:OptimizerSettings.name")()
    'adam'
    """

    reference: str
    convert: Callable[[Any], Any] | None = None

    def __call__(self) -> Any:
        """Return the default in the unit of the option.

        Raises:
            UsageError: the class needs a package that is not installed.
        """
        name, _, path = self.reference.partition(":")
        holder, _, field = path.partition(".")
        try:
            value = getattr(import_module(name), holder)
        except ImportError as error:
            missing = missing_extra(error)
            if missing is None:
                raise
            raise missing from error
        if field:
            fields = getattr(value, "model_fields", None)
            value = getattr(value, field) if fields is None else fields[field].default
        return value if self.convert is None else self.convert(value)

    def __str__(self) -> str:
        """Return the default as `--help` shows it: nothing for False, or if a package is missing."""
        try:
            value = self()
        except (UsageError, ImportError):
            return ""
        if value is False:
            return ""
        return f"{value:g}" if isinstance(value, float) else str(value)


def option(
    panel: str | None, metavar: str, help_text: str, *names: str, default: Default | None = None, **settings: Any
) -> Any:
    """Return the declaration of an option.

    Args:
        panel: group of options in `--help`; None for the first one.
        metavar: placeholder of the value in `--help`.
        help_text: noun phrase or imperative, with units.
        *names: names of the option, unless the name of the parameter will do.
        default: default of a settings class, for a parameter without a default.
        **settings: further arguments of `typer.Option`, such as `min`.
    """
    return typer.Option(
        *names, help=help_text, metavar=metavar, rich_help_panel=panel, default_factory=default, **settings
    )


def switch(panel: str | None, help_text: str, *names: str, default: Default | None = None) -> Any:
    """Return the declaration of an option without a value."""
    return option(panel, "", help_text, *names, default=default)


def given(**values: Any) -> dict[str, Any]:
    """Return the values that are not None, so that a settings class fills in its own defaults for the others."""
    return {name: value for name, value in values.items() if value is not None}


def millions(units: int) -> float:
    """Return bytes or pixels in megabytes or megapixels."""
    return units / 1e6


def units(number: float, name: str) -> int:
    """Return megabytes or megapixels, given by the option `name`, in bytes or pixels.

    Raises:
        UsageError: the number is infinite.
    """
    if not math.isfinite(number * 1e6):
        raise UsageError(f"{name} {number:g}: expected a finite number; for no limit give a large one, such as 1000000")
    return int(number * 1e6)


def named_folders(texts: Sequence[str], option_name: str) -> dict[str, Path]:
    """Return the folders that a repeatable option gives as NAME=DIR.

    Raises:
        UsageError: a text does not have this form, or a name is given twice.
    """
    found: dict[str, Path] = {}
    for text in texts:
        name, _, folder = text.partition("=")
        if not name or not folder:
            raise UsageError(f"{option_name} {text} is not NAME=DIR; write for example {option_name} l2=out/l2")
        if name in found:
            raise UsageError(f"{option_name} gives the name '{name}' twice; use each name once")
        found[name] = Path(folder)
    return found


_RUNTIME = "chromalab.training.settings:RuntimeSettings"

OptionsFile = Annotated[Path | None, option(None, "FILE", "YAML file with long option names as keys; options on the "
    "command line take precedence.", "--options", callback=read_options_file, is_eager=True,
    expose_value=False)]  # fmt: skip
AsJson = Annotated[bool, switch(None, "Print JSON.", "--json")]
Smoke = Annotated[bool, switch(None, "Shrink the run to a few tiny steps, to check the setup; its numbers mean "
    "nothing.", "--smoke")]  # fmt: skip
Balance = Annotated[bool, switch(OBJECTIVE, "Balance loss terms by gradient norm.", "--balance")]
Plugin = Annotated[list[Path] | None, option(OBJECTIVE, "FILE", "Python file with your own losses, or name of an "
    "installed plugin; repeatable.", "--plugin")]  # fmt: skip
SampleEvery = Annotated[int, option(RECORDS, "STEPS", "Steps between two sample images (0 = at the end only).", min=0,
    default=Default(f"{_RUNTIME}.sample_every"))]  # fmt: skip
Device = Annotated[str, option(PERFORMANCE, "NAME", "Device: auto, cpu or cuda.",
    default=Default(f"{_RUNTIME}.device"))]  # fmt: skip
Devices = Annotated[int, option(PERFORMANCE, "N", "Number of devices (on a CPU, processes) that share each batch.",
    min=1, default=Default(f"{_RUNTIME}.devices"))]  # fmt: skip
Threads = Annotated[int, option(PERFORMANCE, "N", "PyTorch CPU threads (0 = one per physical core).", min=0,
    default=Default(f"{_RUNTIME}.threads"))]  # fmt: skip
Precision = Annotated[str, option(PERFORMANCE, "NAME", "auto: float32 on a CPU, mixed bfloat16 on CUDA. fast: mixed "
    "bfloat16 also on a CPU with AMX or AVX-512 BF16. Or 32-true, 16-mixed, bf16-mixed.",
    default=Default(f"{_RUNTIME}.precision"))]  # fmt: skip
ExecutorName = Annotated[Literal["local", "ray"], option(CLUSTER, "local|ray", "Where tasks run: on "
    "this machine (local) or on a Ray cluster (ray).")]  # fmt: skip
Address = Annotated[str | None, option(CLUSTER, "ADDRESS", "Address of the Ray cluster (HOST:PORT or "
    "`auto`); omit to start one on this machine.")]  # fmt: skip
CpusPerTask = Annotated[float | None, option(CLUSTER, "N", "CPU cores, and threads, of each task "
    "(default: 1).", min=0.1)]  # fmt: skip
GpusPerTask = Annotated[float | None, option(CLUSTER, "N", "GPUs of each task (default: 0; 0.5 = two "
    "tasks share one).", min=0)]  # fmt: skip
CpusPerRun = Annotated[float | None, option(CLUSTER, "N", "CPU cores, and threads, of each run (default: 1).",
    min=0.1)]  # fmt: skip
GpusPerRun = Annotated[float | None, option(CLUSTER, "N", "GPUs of each run (default: 0; 0.5 = two runs share one).",
    min=0)]  # fmt: skip
Retries = Annotated[int | None, option(CLUSTER, "N", "Number of retries of a task whose node failed (default: "
    "2).", min=0)]  # fmt: skip


def task_resources(cpus: float | None, gpus: float | None, retries: int | None) -> Resources:
    """Return what each Ray task holds.

    Raises:
        UsageError: Ray is not installed.
    """
    from chromalab.core.ray_executor import Resources

    return Resources(**given(cpus=cpus, gpus=gpus, retries=retries))


def ray_executor(resources: Resources, address: str | None, *, fresh_processes: bool = False) -> RayExecutor:
    """Return an executor on a Ray cluster.

    Raises:
        UsageError: no cluster answers, or none of its nodes is large enough.
    """
    from chromalab.core.ray_executor import RayExecutor

    return RayExecutor(resources, address, fresh_processes=fresh_processes)


def runtime_settings(**options: Any) -> RuntimeSettings:
    """Return the settings of where and how to run.

    Raises:
        ConfigError: a value does not fit.
    """
    from chromalab.training.settings import RuntimeSettings

    return RuntimeSettings.parse(options, origin="the options of this command")


def runtime_of_task(runtime: RuntimeSettings, resources: Resources) -> RuntimeSettings:
    """Return the settings of a task on a cluster: as many threads as it holds CPU cores, unless a number was given."""
    return runtime if runtime.threads else runtime.model_copy(update={"threads": max(1, int(resources.cpus))})


def wide_console() -> Console:
    """Return a console as wide as the terminal, or at least 120 columns for a file or a pipe."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, PIPE_WIDTH))

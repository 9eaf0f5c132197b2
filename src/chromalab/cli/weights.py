"""`chromalab weights`: the published network weights that objectives and metrics stand on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.weights.listing import WeightsStatus
    from chromalab.weights.store import StoredWeights

_PARTLY_FAILED = 1
_STANDARD_OUTPUT = Path("-")

app = typer.Typer(help="Add and list published network weights.", no_args_is_help=True)


@app.callback()
def weights() -> None:
    """Add and list published network weights."""


@app.command()
def add(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Files or http(s) URLs: .pth state dicts or safetensors.", show_default=False
        ),
    ],
    sha256: Annotated[
        str | None,
        typer.Option(
            metavar="HEX", help="What the one file must hash to; a URL that is not known by its name needs it."
        ),
    ] = None,
) -> None:
    """Add the weights of VGG16, AlexNet or SqueezeNet 1.1, told apart by the names and shapes of their tensors.

    Whole networks with torchvision's names, or the part that is needed; only that part is kept, in the folder that
    CHROMALAB_WEIGHTS names, else in the user's cache folder. A file that is damaged, foreign or incomplete is refused,
    and nothing of it is kept.
    """
    from chromalab.core.errors import ChromalabError, UsageError

    if sha256 is not None and len(files) > 1:
        raise UsageError(f"--sha256 belongs to one file, and {len(files)} were given: add them one by one")

    from chromalab.weights.adding import add_weights

    failures: list[ChromalabError] = []
    for file in files:
        try:
            typer.echo(_told(add_weights(file, sha256=sha256)))
        except ChromalabError as error:
            failures.append(error)
    _raise(failures, of=len(files))


def _told(record: StoredWeights) -> str:
    from chromalab.weights.places import weights_folder

    doubt = "" if record.source_is_published else ", told by its tensors: the file is not the published one itself"
    return f"added {record.name} from {record.source}{doubt}; kept as {weights_folder() / record.file}"


def _raise(failures: Sequence[Exception], *, of: int) -> None:
    """Fail as the one failure does; where other files were added, list the failures and exit with 1."""
    if not failures:
        return
    for error in failures[:-1] if len(failures) == of else failures:
        sys.stderr.write(f"error: {error}\n")
    if len(failures) < of:
        raise typer.Exit(_PARTLY_FAILED)
    raise failures[-1]


@app.command("list")
def list_(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write JSON to this file; - is standard output.")
    ] = None,
) -> None:
    """List the known weights: what they are, their licence, what they were trained on, and whether they are here."""
    from chromalab.core.files import write_text
    from chromalab.weights.listing import list_weights

    rows = list_weights()
    data = json.dumps([row.model_dump(mode="json") for row in rows], indent=2, ensure_ascii=False)
    if json_file == _STANDARD_OUTPUT:
        typer.echo(data)
        return
    if json_file is not None:
        write_text(json_file, data + "\n")
    for row in rows:
        typer.echo(_described(row))


def _described(row: WeightsStatus) -> str:
    """Return a few lines; a table of as many columns as there are facts fits no terminal."""
    place = str(row.path) if row.path is not None else f"not here: chromalab weights add {row.source}"
    facts = (row.what, f"{row.licence}; trained on {row.trained_on}", f"sha256 {row.sha256}", place)
    return "\n  ".join((row.name, *facts))

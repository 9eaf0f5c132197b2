"""`chromalab weights`: the published network weights that objectives and metrics use."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.options import option, switch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chromalab.core.records import Record
    from chromalab.weights.adding import FetchedWeights
    from chromalab.weights.status import WeightsStatus
    from chromalab.weights.store import StoredWeights

_PARTLY_FAILED = 1
_DAMAGED = 1
_STANDARD_OUTPUT = Path("-")

_Json = Annotated[Path | None, option(None, "FILE", "JSON file (- = standard output).", "--json")]

app = typer.Typer(help="Download, add, verify and list published network weights.", no_args_is_help=True)


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME",
        help="Names from `chromalab weights list`.")] = None,
    all_: Annotated[bool, switch(None, "Fetch every missing file (1.5 GB in all).", "--all")] = False,
    mirror: Annotated[str | None, option(None, "URL", "Address of a mirror, before CHROMALAB_MIRROR and the "
        "publishers.")] = None,
) -> None:  # fmt: skip
    """Download published weights by name, and check each against its published SHA-256.

    Files that are here already are kept. An interrupted download resumes, and is used only once it is complete. Proxies
    are taken from the usual environment variables.
    """
    from chromalab.core.errors import UsageError
    from chromalab.weights.manifest import trunks

    if bool(names) == all_:
        raise UsageError("give either names of weights (see `chromalab weights list`) or --all")

    from chromalab.weights.adding import fetch_weights

    chosen = [entry.name for entry in trunks()] if all_ else list(dict.fromkeys(names or ()))
    _each(chosen, lambda name: _fetched(fetch_weights(name, mirror=mirror)))


def _fetched(fetched: FetchedWeights) -> str:
    if fetched.new:
        return f"fetched {fetched.name} from {fetched.source}; kept as {fetched.path}"
    return f"{fetched.name} is here already, as published, from {fetched.source}: {fetched.path}"


@app.command()
def add(
    files: Annotated[list[str], typer.Argument(metavar="FILE",
        help="Files or http(s) URLs of .pth state dicts or safetensors.")],
    sha256: Annotated[str | None, option(None, "HEX", "Expected SHA-256 of the one file; required for a URL "
        "with an unknown file name.")] = None,
) -> None:  # fmt: skip
    """Add the weights of VGG16 (with or without batch normalization), AlexNet, SqueezeNet 1.1 or the Inception of FID.

    The command recognizes them by the names and shapes of their tensors: whole networks with torchvision's names, or
    the part that is needed. It keeps only that part, with VGG16's classifier if present, in the folder that
    CHROMALAB_WEIGHTS names, or else in the user's cache folder. Damaged, unknown or incomplete files are refused.
    """
    from chromalab.core.errors import UsageError

    if sha256 is not None and len(files) > 1:
        raise UsageError(f"--sha256 applies to one file, but {len(files)} are given; add them one by one")

    from chromalab.weights.adding import add_weights

    _each(files, lambda file: _added(add_weights(file, sha256=sha256)))


def _added(record: StoredWeights) -> str:
    from chromalab.weights.store import weights_folder

    doubt = "" if record.source_is_published else " (recognized by its tensors; not the published file itself)"
    return f"added {record.name} from {record.source}{doubt}; kept as {weights_folder() / record.file}"


def _each(items: Sequence[str], do: Callable[[str], str]) -> None:
    """Do every item and print the result; a failure does not stop the others."""
    from chromalab.core.errors import ChromalabError

    failures: list[ChromalabError] = []
    for item in items:
        try:
            typer.echo(do(item))
        except ChromalabError as error:
            failures.append(error)
    _raise(failures, of=len(items))


def _raise(failures: Sequence[Exception], *, of: int) -> None:
    """Raise the last failure if everything failed; otherwise list the failures and exit with 1."""
    if not failures:
        return
    for error in failures[:-1] if len(failures) == of else failures:
        sys.stderr.write(f"error: {error}\n")
    if len(failures) < of:
        raise typer.Exit(_PARTLY_FAILED)
    raise failures[-1]


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME",
        help="Names from `chromalab weights list`; omit to verify all.")] = None,
    json_file: _Json = None,
) -> None:  # fmt: skip
    """Hash every stored and packaged weight file again: ok, damaged, missing (but recorded), or not added.

    The exit code is 1 if a file is damaged or missing.
    """
    from chromalab.weights.status import verify_weights

    rows = verify_weights(names or ())
    _show(rows, [f"{row.name}: {row.state}; {row.message}" for row in rows], json_file)
    if any(row.state in {"damaged", "missing"} for row in rows):
        raise typer.Exit(_DAMAGED)


@app.command("list")
def list_(json_file: _Json = None) -> None:
    """List the known weights with license, training data and whether they are installed."""
    from chromalab.weights.status import list_weights

    rows = list_weights()
    _show(rows, [_described(row) for row in rows], json_file)


def _show(rows: Sequence[Record], lines: Sequence[str], json_file: Path | None) -> None:
    """Write the rows as JSON, and the lines to standard output unless the JSON goes there."""
    from chromalab.core.files import write_text

    data = json.dumps([row.model_dump(mode="json") for row in rows], indent=2, ensure_ascii=False)
    if json_file == _STANDARD_OUTPUT:
        typer.echo(data)
        return
    if json_file is not None:
        write_text(json_file, data + "\n")
    for line in lines:
        typer.echo(line)


def _described(row: WeightsStatus) -> str:
    """Return a few lines, because a table with a column per fact would be too wide."""
    facts = (row.what, f"{row.license}; trained on {row.trained_on}", f"sha256 {row.sha256}", _place(row))
    return "\n  ".join((row.name, *facts))


def _place(row: WeightsStatus) -> str:
    if row.path is None:
        begun = f" ({row.partial_bytes / 1e6:.0f} MB fetched so far)" if row.partial_bytes else ""
        return f"not here{begun}: {row.how_to_get}"
    classifier = {True: ", with classifier", False: ", without classifier", None: ""}[row.with_classifier]
    return f"{row.path}{classifier}"

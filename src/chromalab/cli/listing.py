"""`chromalab list`: names of models, losses, metrics and other entries."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from chromalab.cli.options import AsJson, Plugin, wide_console

app = typer.Typer(
    help="List models, losses, metrics and whatever else is built in; print built-in studies, recipes and designs.",
    no_args_is_help=True,
)

BuiltIn = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Entry to print as YAML, as the start of a file of your own.")
]


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models that ship with the package; JSON includes their records."""
    from chromalab.weights.colorizers import find_colorizer, shipped_models

    files = [find_colorizer(name) for name in shipped_models()]
    if as_json:
        typer.echo(json.dumps([file.spec.model_dump(mode="json") for file in files], indent=2, ensure_ascii=False))
        return
    _show(
        [
            {
                "name": file.spec.name,
                "title": file.spec.title,
                "versions": file.spec.output.bins is not None,
                "size": f"{file.path.stat().st_size / 1e6:.1f} MB",
                "license": file.spec.license,
                "trained on": file.spec.trained_on,
            }
            for file in files
        ],
        as_json,
    )


@app.command()
def losses(plugin: Plugin = None, as_json: AsJson = False) -> None:
    """List the losses that objectives are made of; JSON includes their parameters."""
    from chromalab.losses.facts import loss_facts
    from chromalab.losses.plugins import load_plugins
    from chromalab.losses.registry import LOSSES

    load_plugins(plugin or [])
    rows = [loss_facts(entry).model_dump() for _, entry in LOSSES.items()]
    columns = list(rows[0]) if as_json else ["name", "family", "formula", "source", "needs"]
    _show([{column: row[column] for column in columns} for row in rows], as_json)


@app.command()
def presets(as_json: AsJson = False) -> None:
    """List the presets: published mixtures of losses."""
    from chromalab.training.presets import PRESETS

    _show(
        [{"name": name, "formula": preset.formula, "source": preset.source} for name, preset in PRESETS.items()],
        as_json,
    )


@app.command()
def protocols(as_json: AsJson = False) -> None:
    """List the evaluation protocols; JSON includes their quirks and choices."""
    from chromalab.evaluation.protocols import PROTOCOLS

    rows = [
        {
            "name": protocol.name,
            "title": protocol.title,
            "size": protocol.geometry,
            "source": protocol.source,
            "quirks": list(protocol.quirks),
            "choices": list(protocol.choices),
            "sha256": protocol.sha256,
        }
        for protocol in PROTOCOLS.values()
    ]
    columns = list(rows[0]) if as_json else ["name", "title", "size", "quirks"]
    _show([{column: row[column] for column in columns} for row in rows], as_json)


@app.command()
def metrics(as_json: AsJson = False) -> None:
    """List the metrics."""
    from chromalab.metrics.registry import METRICS

    _show(
        [
            {
                "name": metric.name,
                "label": metric.label,
                "direction": metric.direction,
                "unit": metric.unit,
                "formula": metric.formula,
                "source": metric.source,
                "network": metric.network,
            }
            for _, metric in METRICS.items()
        ],
        as_json,
    )


@app.command()
def spaces(as_json: AsJson = False) -> None:
    """List the training color spaces."""
    from chromalab.color.spaces import SPACES

    _show([{"name": name, "description": space.description} for name, space in SPACES.items()], as_json)


@app.command()
def encoders(as_json: AsJson = False) -> None:
    """List the encoders of the U-Net."""
    from chromalab.nets.encoders import ENCODERS

    _show([{"name": name, "description": entry.description} for name, entry in ENCODERS.items()], as_json)


@app.command()
def critics(as_json: AsJson = False) -> None:
    """List the critics of adversarial losses."""
    from chromalab.nets.critics import CRITICS

    _show([{"name": name, "description": entry.description} for name, entry in CRITICS.items()], as_json)


@app.command()
def samples(as_json: AsJson = False) -> None:
    """List the built-in sample photos."""
    from chromalab.data.sources import SAMPLES

    _show([{"name": name, "split": sample.split, "credit": sample.credit} for name, sample in SAMPLES.items()], as_json)


@app.command()
def studies(name: BuiltIn = None, as_json: AsJson = False) -> None:
    """List the built-in studies of `chromalab compare run`, or print one as YAML."""
    _show_files("studies", name, as_json)


@app.command()
def recipes(name: BuiltIn = None, as_json: AsJson = False) -> None:
    """List the built-in recipes of `chromalab train`, or print one as YAML."""
    _show_files("training", name, as_json)


@app.command()
def designs(name: BuiltIn = None, as_json: AsJson = False) -> None:
    """List the built-in designs of `chromalab survey create`, or print one as YAML."""
    _show_files("surveys", name, as_json)


@app.command()
def questions(name: BuiltIn = None, as_json: AsJson = False) -> None:
    """List the built-in questions that a survey can ask its participants, or print one as YAML."""
    _show_files("questions", name, as_json)


def _show_files(kind: str, name: str | None, as_json: bool) -> None:
    """List the shipped files of a kind, each with its first comment, or print one."""
    from chromalab.core.records import preset_path, preset_paths, read_yaml

    if name is None:
        lines = {path.stem: path.read_text(encoding="utf-8").partition("\n")[0] for path in preset_paths(kind)}
        _show([{"name": stem, "description": line.lstrip("# ")} for stem, line in lines.items()], as_json)
        return
    path = preset_path(kind, name)
    whole = json.dumps(read_yaml(path), indent=2, ensure_ascii=False) if as_json else path.read_text(encoding="utf-8")
    typer.echo(whole.rstrip("\n"))


def _show(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in rows[0]:
        table.add_column(
            column, no_wrap=column in {"name", "family", "needs"}, style="bold" if column == "name" else ""
        )
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    wide_console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ",\n".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)

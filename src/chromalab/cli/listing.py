"""`chromalab list`: what can be asked for by name."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(help="List losses, metrics, colour spaces, encoders and sample photos.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def losses(as_json: AsJson = False) -> None:
    """List the losses of which objectives are composed."""
    from chromalab.losses.registry import LOSSES

    _show(
        [
            {
                "name": entry.name,
                "family": entry.family,
                "formula": entry.formula,
                "parameters": {name: parameter.default for name, parameter in entry.parameters.items()},
                "needs": list(entry.needs),
                "zero_at_target": entry.zero_at_target,
                "source": entry.source,
            }
            for _, entry in LOSSES.items()
        ],
        as_json,
    )


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
    """List the training spaces."""
    from chromalab.color.spaces import SPACES

    _show([{"name": name, "description": space.description} for name, space in SPACES.items()], as_json)


@app.command()
def encoders(as_json: AsJson = False) -> None:
    """List the encoders of the U-Net."""
    from chromalab.nets.encoders import ENCODERS

    _show([{"name": name, "description": entry.description} for name, entry in ENCODERS.items()], as_json)


@app.command()
def samples(as_json: AsJson = False) -> None:
    """List the built-in sample photos."""
    from chromalab.data.samples import SAMPLES

    _show([{"name": name, "split": sample.split, "credit": sample.credit} for name, sample in SAMPLES.items()], as_json)


def _show(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item:g}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)

"""`chromalab loss`: facts about a single loss, and checks of its contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromalab.cli.options import AsJson, Plugin, option, wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from chromalab.losses.base import LossEntry
    from chromalab.losses.compose import TermSpec
    from chromalab.losses.contract import Check
    from chromalab.losses.facts import LossFacts, Need

SAMPLE = "astronaut"
"""Default photo of the gradient field: large areas of different hues beside gray ones."""

FIELD_PX = 128
"""Shorter side of that photo; larger if a loss needs more."""

BROKEN = 1
"""Exit code if a check failed."""

app = typer.Typer(help="Show and check single losses, built-in or your own.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="LOSS",
    help="Loss as in a formula, such as l2 or 'huber(delta=0.1)'.")]  # fmt: skip


@app.command()
def show(name: Name, plugin: Plugin = None, as_json: AsJson = False) -> None:
    """Show formula, source, parameters and requirements of a loss, and how to train with it."""
    from chromalab.losses.facts import documentation, loss_facts, needs_of

    spec, entry = _find(name, plugin)
    facts = loss_facts(entry).model_copy(update={"network": _network(spec, entry)})
    needs, metrics = needs_of(entry), _sharing_metrics(facts.network)
    text, command = documentation(entry), _training(spec, plugin)
    if as_json:
        page = {**facts.model_dump(), "needs": [need.model_dump() for need in needs]}
        _print_json({**page, "judges_not_independent": metrics, "train": command, "documentation": text})
        return
    console = wide_console()
    _print_page(console, facts, needs, metrics)
    for part in filter(None, (text, command)):
        console.print(f"\n{part}", soft_wrap=True, highlight=False, markup=False)


@app.command()
def check(
    name: Name,
    plugin: Plugin = None,
    space: Annotated[str, option(None, "NAME", "Training color space of the checks: lab, yuv or rgb.")] = "lab",
    photo: Annotated[Path | None, option(None, "FILE",
        "Photo of the gradient field; omit for a built-in sample.")] = None,
    picture: Annotated[Path | None, option(None, "FILE", "PNG or SVG file for the gradient field; omit for "
        "LOSS_gradient.png.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Check a loss against the contract of losses, and draw its gradient on the colors of a photo.

    The checks cover shapes, finite values and gradients (at equality, without color, on black, gray and white),
    gradients against finite differences, batches against single images, an unchanged input, and the properties that the
    loss declares. The exit code is 1 if a check fails.
    """
    from chromalab.losses.contract import check_loss

    spec, entry = _find(name, plugin)
    target = picture or Path(f"{entry.name}_gradient.png")
    _refuse_other_files(target)
    checks = check_loss(entry, parameters=dict(spec.parameters), space=space)
    passed = all(one.passed for one in checks)
    drawn, note = None, "no gradient field, because a basic check failed"
    if _drawable(checks):
        drawn, note = _draw(spec, entry, photo, target)
    if as_json:
        rows = [one.model_dump() for one in checks]
        _print_json(
            {"loss": str(spec), "space": space, "passed": passed, "checks": rows, "picture": drawn, "note": note}
        )
    else:
        _print_checks(wide_console(), str(spec), checks, note)
    if not passed:
        raise typer.Exit(BROKEN)


def _find(name: str, plugins: list[Path] | None) -> tuple[TermSpec, LossEntry]:
    """Return the loss of that name, with the given parameters."""
    from chromalab.core.errors import UsageError
    from chromalab.losses.compose import parse_formula
    from chromalab.losses.plugins import load_plugins
    from chromalab.losses.registry import LOSSES

    load_plugins(plugins or [])
    specs = parse_formula(name)
    if len(specs) > 1 or specs[0].weight != 1:
        raise UsageError(f"'{name}' is a whole objective; name one loss without a weight, such as '{specs[0].name}'")
    return specs[0], LOSSES[specs[0].name]


def _training(spec: TermSpec, plugins: list[Path] | None) -> str:
    """Return a command line that trains with the loss."""
    import shlex

    options = " ".join(f"--plugin {shlex.quote(str(path))}" for path in plugins or [])
    return " ".join(f"chromalab train --loss {shlex.quote(str(spec))} {options} --out runs/{spec.name}".split())


def _network(spec: TermSpec, entry: LossEntry) -> str | None:
    """Return the network that the loss compares features of; some losses choose it when they are built."""
    from chromalab.core.errors import ChromalabError
    from chromalab.losses.compose import Objective

    try:
        return next(iter(Objective((spec,)).networks), None)
    except ChromalabError:
        return entry.network


def _sharing_metrics(network: str | None) -> list[str]:
    """Return the metrics that use the same network."""
    from chromalab.metrics.registry import METRICS

    return [name for name, metric in METRICS.items() if network and metric.network == network]


def _print_page(console: Console, facts: LossFacts, needs: list[Need], metrics: list[str]) -> None:
    from rich.table import Table

    console.print(f"[bold]{facts.name}[/], {facts.family}", highlight=False)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, text in _lines(facts, needs, metrics):
        table.add_row(label, text)
    console.print(table, markup=False, highlight=False)


def _lines(facts: LossFacts, needs: list[Need], metrics: list[str]) -> list[tuple[str, str]]:
    lines = [("formula", facts.formula), ("source", facts.source)]
    if facts.plugin is not None:
        lines.append(("plugin", facts.plugin))
    for index, (key, parameter) in enumerate(facts.parameters.items()):
        default = parameter.default if isinstance(parameter.default, str) else f"{parameter.default:g}"
        label = "" if index else "parameters"
        lines.append((label, f"{key}={default} ({parameter.domain}): {parameter.meaning}"))
    lines += [("" if index else "needs", _need(need)) for index, need in enumerate(needs)]
    if facts.network is not None:
        shared = f"; not independent of the metrics {', '.join(metrics)}" if metrics else ""
        lines.append(("trains on", facts.network + shared))
    at_target = "0 at the target" if facts.zero_at_target else "not 0 at the target"
    lines.append(("value", at_target if facts.compares else f"{at_target}; does not depend on the target"))
    return lines


def _need(need: Need) -> str:
    state = "" if need.how_to_get is None else f"; not here: {need.how_to_get}"
    return f"{need.name}: {need.meaning}{state}"


def _drawable(checks: list[Check]) -> bool:
    """Return whether the loss can be built and has a value per image and a gradient."""
    needed = {"build", "shape", "finite value", "gradient at no color"}
    return all(one.passed for one in checks if one.name in needed)


def _draw(spec: TermSpec, entry: LossEntry, photo: Path | None, target: Path) -> tuple[str | None, str]:
    """Draw the gradient field into a file; return the file and a note on it."""
    from chromalab.core.errors import ChromalabError
    from chromalab.core.files import write_bytes
    from chromalab.core.python_file import describe_error
    from chromalab.data.sources import sample_path
    from chromalab.losses.bench import Bench
    from chromalab.losses.gradient_field import GUESS, gradient_field
    from chromalab.photo.reading import read_photo
    from chromalab.report.figures.gradient_field import draw_gradient_field

    bench = Bench(entry, dict(spec.parameters))
    if not entry.acts_on_colors:
        return None, f"{entry.name} acts on its own head, not on colors, so no gradient field is drawn"
    size = max(FIELD_PX, bench.term.smallest_px)
    rgb = read_photo(photo or sample_path(SAMPLE), shortest_side_px=size).rgb
    title = f"{spec}, of a critic with random weights" if bench.critic is not None else str(spec)
    try:
        field = gradient_field(bench, rgb)
    except ChromalabError:
        raise
    except Exception as error:  # the code of a plugin may raise anything, such as in this space after checks in another
        return None, f"no gradient field: it is drawn in the space lab, where the loss failed: {describe_error(error)}"
    drawing = draw_gradient_field(field, title=title, guess=GUESS, name=f"{entry.name}_gradient")
    write_bytes(target, drawing.svg.encode() if target.suffix == ".svg" else drawing.png)
    return str(
        target
    ), f"gradient field: {target} (cosine with the direction of the true colors: {field.agreement:.2f})"


def _refuse_other_files(target: Path) -> None:
    from chromalab.core.errors import UsageError

    if target.suffix not in {".png", ".svg"}:
        raise UsageError(f"--picture {target}: expected a file name that ends in .png or .svg")


def _print_checks(console: Console, loss: str, checks: list[Check], note: str) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("", "check", "found", title=loss, title_justify="left")
    for one in checks:
        mark = Text("✓", "green") if one.passed else Text("✗", "bold red")
        table.add_row(mark, one.name, Text(one.detail))
    console.print(table)
    console.print(note, soft_wrap=True, highlight=False, markup=False)
    failed = sum(not one.passed for one in checks)
    verdict = f"{failed} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks passed"
    console.print(verdict, highlight=False)


def _print_json(data: dict[str, object]) -> None:
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))

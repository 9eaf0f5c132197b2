"""Write the pages of docs/reference from the code and from records: `make docs`. A test checks that all are current."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer.main

from chromalab.cli.main import app
from chromalab.color.spaces import SPACES
from chromalab.evaluation.protocols import PROTOCOLS
from chromalab.losses.base import Choice, Parameter
from chromalab.losses.registry import LOSSES
from chromalab.metrics.registry import METRICS
from chromalab.nets.critics import CRITICS
from chromalab.nets.encoders import ENCODERS
from chromalab.studies.objectives import describe_critic, describe_optimizer
from chromalab.training.presets import PRESETS
from tools import DOCS
from tools.pages.api import api_page
from tools.pages.benchmarks import (
    colorize_speed_page,
    coverage_page,
    loss_speed_page,
    metric_cost,
    metric_costs,
    survey_speed_page,
    training_speed_page,
)
from tools.pages.files import files_page
from tools.pages.index import index_page
from tools.pages.markdown import page, prose, table
from tools.pages.metric_faults import faults_page
from tools.pages.models import good_page, models_page
from tools.pages.objective import objective_page
from tools.pages.people import people_page
from tools.pages.pilots import pilots_page
from tools.pages.studies import objectives96_page, photos96_page
from tools.pages.video import video_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chromalab.training.presets import Preset

FOLDER = DOCS / "reference"


def losses_page() -> str:
    """Return the page of all losses."""
    rows = [
        (
            f"`{name}`",
            entry.family,
            f"`{entry.formula}`",
            "; ".join(_parameter(key, value) for key, value in entry.parameters.items()) or "–",
            ", ".join(entry.needs) or "–",
            entry.source,
        )
        for name, entry in LOSSES.items()
    ]
    return page(
        "Losses",
        "An objective is a weighted sum of these losses, written in one line: `l2 + 0.1*wgan_gp(penalty=10)`. `e` is "
        "the prediction minus the target in the normalized units of the training space. Means run over channels and "
        "pixels. In a study, the word `perceptual` stands for the loss that the key `perceptual` names.",
        table(("name", "family", "formula", "parameters", "needs", "source"), rows),
    )


def _parameter(key: str, parameter: Parameter | Choice) -> str:
    if isinstance(parameter, Choice):
        return f"`{key}={parameter.default}` ({', '.join(parameter.options)}): {parameter.meaning}"
    return f"`{key}={parameter.default:g}` ({parameter.low:g} to {parameter.high:g}): {parameter.meaning}"


def presets_page() -> str:
    """Return the page of presets."""
    return page(
        "Presets: published mixtures",
        "The name of a preset is an objective: `chromalab train --loss pix2pix`, or `p2p: pix2pix` among the "
        "objectives of a study. Formulas are in this project's units (colors of `lab` in [-1, 1], means over channels "
        "and pixels), so a weight may differ from the published number by a stated factor. `chromalab train` uses the "
        "published optimizer, too. A study uses its own for every objective, unless an objective asks for `optimizer: "
        "published`. A preset is an objective, not a replica: it sets neither network nor data nor training length.",
        "\n\n".join(_preset(name, preset) for name, preset in PRESETS.items()),
    )


def _preset(name: str, preset: Preset) -> str:
    facts = [
        ("objective", f"`{preset.formula}`"),
        ("source", preset.source),
        ("published optimizer", f"{describe_optimizer(preset.optimizer)}; batch of {preset.batch_size}"),
    ]
    if preset.critic is not None:
        facts.append(("critic", describe_critic(preset.critic, preset.optimizer)))
    if preset.color_from != "auto":
        source = {"head": "a head of its own", "bins": "the annealed mean of the bins"}[preset.color_from]
        facts.append(("color from", source))
    facts += [("this project's choice", choice) for choice in preset.choices]
    for published, others in preset.stand_ins.items():
        if f"{published}" in preset.formula:
            facts.append((f"without the weights of `{published}`", " or ".join(f"`{other}`" for other in others)))
    return f"## `{name}`\n\n" + table(("", ""), facts)


def metrics_page() -> str:
    """Return the page of all metrics."""
    costs = metric_costs()
    better = {"lower": "lower", "higher": "higher", "closer": "closer to the ground truth's value"}
    rows = [
        (
            f"`{name}`",
            metric.label,
            metric.unit or "–",
            f"{_bound(metric.low)} to {_bound(metric.high)}",
            better[metric.direction],
            "each photo" if metric.per_photo else "the set",
            _NEEDS[metric.reference] + (f", `{metric.network}`" if metric.network else ""),
            metric_cost(name, costs),
            f"`{metric.formula}`",
            prose(metric.source + (f". {metric.note}" if metric.note else "")),
        )
        for name, metric in METRICS.items()
    ]
    return page(
        "Metrics",
        "All are computed on 8-bit sRGB divided by 255. The [protocol](protocols.md) sets the size; by default "
        "photos keep theirs. See also [what each metric measures, and its blind spots](../metrics.md), [how metrics "
        "respond to typical faults](metric_faults.md) and [how well they agree with people](people.md). *Cost*: one "
        "pair of 256 px on one core, each metric alone, and for metrics of sets also the comparison of 1,000 "
        f"photographs with 1,000, on a machine where with one thread {costs['reference']}; measured by `python -m "
        "tools.benchmarks.metric_cost`. Several metrics together cost less than their sum, because CIELAB and "
        "network inputs are computed once.",
        table(("name", "label", "unit", "range", "better", "of", "needs", "cost", "formula", "source and notes"), rows),
    )


_NEEDS = {
    "target": "ground truth",
    "set": "any set of photographs",
    "lightness": "the gray photo",
    "labels": "the photo's class",
    "frames": "frames of a video",
    "film": "films",
    "none": "nothing",
}


def _bound(value: float) -> str:
    return {float("inf"): "∞", -float("inf"): "−∞"}.get(value, f"{value:.3g}")


def protocols_page() -> str:
    """Return the page of all protocols."""
    return page(
        "Evaluation protocols",
        "Results under different protocols are not comparable. Use `chromalab-v1` for new results. The others "
        "reproduce the computations behind published tables, as far as public code and papers describe them.",
        "\n\n".join(
            f"## `{name}`\n\n"
            + table(
                ("", ""),
                [
                    ("what", protocol.title),
                    ("source", protocol.source),
                    ("size", protocol.geometry),
                    ("rounding", protocol.rounding),
                    *(("quirk", quirk) for quirk in protocol.quirks),
                    *((f"`{metric.name}`", metric.formula) for metric in protocol.variants),
                    *(("this project's choice", choice) for choice in protocol.choices),
                    ("SHA-256", f"`{protocol.sha256}`"),
                ],
            )
            for name, protocol in PROTOCOLS.items()
        ),
    )


def networks_page() -> str:
    """Return the page of training spaces, encoders and critics."""
    spaces = [(f"`{name}`", space.description) for name, space in SPACES.items()]
    encoders = [(f"`{name}`", entry.description) for name, entry in ENCODERS.items()]
    critics = [(f"`{name}`", entry.description) for name, entry in CRITICS.items()]
    tables = (
        table(("space", "inputs and outputs"), spaces),
        table(("encoder", "description"), encoders),
        table(("critic", "description"), critics),
    )
    return page("Training spaces, encoders and critics", "", "\n\n".join(tables))


def commands_page() -> str:
    """Return the page of all commands with their options."""
    return page("Commands", "Exit codes: 0 success, 1 partial failure, 2 usage error.", "\n\n".join(_commands()))


def _commands() -> Iterator[str]:
    root = typer.main.get_command(app)
    for name, command in sorted(_walk(root, "chromalab")):
        summary, _, rest = (command.help or "").strip().partition("\n")
        rows = [_option(parameter) for parameter in command.params if parameter.name != "help"]
        text = f"## `{name}`\n\n{' '.join(summary.split())}"
        if rest.strip():
            text += "\n\n" + " ".join(rest.split())
        yield text + ("\n\n" + table(("option", "meaning", "default"), rows) if rows else "")


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every command below a group with its full name. Types are `Any`, because Typer vendors its own Click."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for child, inner in command.commands.items():
        yield from _walk(inner, f"{name} {child}")


def _option(parameter: Any) -> tuple[str, str, str]:
    is_argument = parameter.param_type_name == "argument"
    names = (
        [parameter.metavar or parameter.name.upper()] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    )
    shown = ", ".join(f"`{name}`" for name in names)
    hidden = parameter.required or parameter.default is None or parameter.default is False
    default = "" if hidden else str(parameter.default)
    return shown, " ".join((parameter.help or "").split()), f"`{default}`" if default else ""


PAGES = {
    "good.md": good_page,
    "models.md": models_page,
    "files.md": files_page,
    "colorize_speed.md": colorize_speed_page,
    "video_speed.md": video_page,
    "losses.md": losses_page,
    "coverage.md": coverage_page,
    "loss_speed.md": loss_speed_page,
    "survey_speed.md": survey_speed_page,
    "presets.md": presets_page,
    "pilots.md": pilots_page,
    "training_speed.md": training_speed_page,
    "metrics.md": metrics_page,
    "metric_faults.md": faults_page,
    "protocols.md": protocols_page,
    "people.md": people_page,
    "networks.md": networks_page,
    "commands.md": commands_page,
    "api.md": api_page,
    "objective.md": objective_page,
    "photos96.md": photos96_page,
    "objectives96.md": objectives96_page,
    "results.md": index_page,
}


def main() -> None:
    """Write the pages that are not current, and print their names."""
    for name, make in PAGES.items():
        path, text = FOLDER / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote docs/reference/{name}")


if __name__ == "__main__":
    main()

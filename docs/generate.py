"""Write the reference pages that state facts of the code: `make docs`. A test fails when one of them is not current."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from chromalab.cli.main import app
from chromalab.color.spaces import SPACES
from chromalab.compare.analysis.analyse import analyse
from chromalab.compare.load import load_study
from chromalab.losses.registry import LOSSES
from chromalab.metrics.registry import METRICS, metric_facts
from chromalab.nets.encoders import ENCODERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chromalab.compare.records import Analysis, StudyRecord, SummaryRow

FOLDER = Path(__file__).parent / "reference"
RESULTS = Path(__file__).resolve().parents[1] / "results" / "photos96"
READING = (
    "Means over photographs and seeds with 95% intervals. Bold: the best, and what it does not significantly beat. "
    "† the metric looks through the network that the objective was trained on."
)
GENERATED = "<!-- Written by docs/generate.py from the code: run `make docs`, don't edit. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def losses_page() -> str:
    """Return the page of all losses."""
    rows = [
        (
            f"`{name}`",
            entry.family,
            f"`{entry.formula}`",
            ", ".join(f"{key} = {value.default:g}: {value.meaning}" for key, value in entry.parameters.items()) or "–",
            ", ".join(entry.needs) or "–",
            entry.source,
        )
        for name, entry in LOSSES.items()
    ]
    return page(
        "Losses",
        "An objective is a weighted sum of these, written in one line: `l2 + 0.1*wgan_gp(penalty=10)`. `e` is the "
        "prediction minus the target in the normalised units of the training space; means run over channels and "
        "pixels. In a study the word `perceptual` stands for the loss that the study's key `perceptual` names.",
        table(("name", "family", "formula", "parameters", "needs", "source"), rows),
    )


def metrics_page() -> str:
    """Return the page of all metrics."""
    better = {"lower": "lower", "higher": "higher", "closer": "closer to the truth's own value"}
    rows = [
        (
            f"`{name}`",
            metric.label,
            metric.unit or "–",
            f"{metric.low:g} to {'∞' if metric.high == float('inf') else f'{metric.high:g}'}",
            better[metric.direction],
            "each photo" if metric.per_photo else "the set",
            f"`{metric.formula}`",
            metric.source + (f". {metric.note}" if metric.note else ""),
        )
        for name, metric in METRICS.items()
    ]
    return page(
        "Metrics",
        "All are taken on 8-bit sRGB divided by 255, at the pictures' own size.",
        table(("name", "label", "unit", "range", "better", "of", "formula", "source and notes"), rows),
    )


def networks_page() -> str:
    """Return the page of training spaces and encoders."""
    spaces = [(f"`{name}`", space.description) for name, space in SPACES.items()]
    encoders = [(f"`{name}`", entry.description) for name, entry in ENCODERS.items()]
    tables = (table(("space", "what goes in and out"), spaces), table(("encoder", "what it is"), encoders))
    return page("Training spaces and encoders", "", "\n\n".join(tables))


def results_page() -> str:
    """Return the page of the study whose records are committed, analysed anew."""
    study = load_study(RESULTS)
    analysis = analyse(study, metric_facts())
    data, record = study.record.data, study.record
    lead = (
        f"{record.note} {data.n_train:,} photographs to train on, {data.n_test} to test on, seeds "
        f"{', '.join(map(str, record.seeds))}; {record.encoder}, {record.parameters:,} weights. The records are in "
        "`results/photos96`, with the study file that made them."
    )
    objectives = [(f"`{entry.id}`", f"`{entry.formula}`") for entry in record.objectives]
    claims = [(row.id, row.claim, f"**{row.verdict}**", row.summary) for row in analysis.claims]
    parts = (
        table(("objective", "formula"), objectives),
        READING,
        table(("metric", *analysis.objectives, "grey", "truth"), _results(analysis, record)),
        table(("", "claim", "verdict", "numbers"), claims),
    )
    return page(record.title, lead, "\n\n".join(parts))


def _results(analysis: Analysis, record: StudyRecord) -> Iterator[tuple[str, ...]]:
    arrows = {"lower": "↓", "higher": "↑", "closer": "≈ truth"}
    cells = {(row.metric, row.objective): row for row in analysis.summary}
    confounded = {(judge, entry.id) for entry in record.objectives for judge in entry.judges_trained_on}
    for metric in analysis.metrics:
        row = [cells.get((metric.name, name)) for name in (*analysis.objectives, "grey", "truth")]
        if any(row):
            yield (
                f"{metric.label} {arrows[metric.direction]}",
                *(
                    _result(cell, dagger=cell is not None and (metric.name, cell.objective) in confounded)
                    for cell in row
                ),
            )


def _result(cell: SummaryRow | None, *, dagger: bool) -> str:
    if cell is None or cell.mean is None:
        return "–"
    mean = f"**{cell.mean:.4g}**" if cell.best else f"{cell.mean:.4g}"
    interval = "" if cell.ci_low is None or cell.n_seeds == 0 else f" [{cell.ci_low:.4g}, {cell.ci_high:.4g}]"
    return mean + ("†" if dagger else "") + interval


def commands_page() -> str:
    """Return the page of all commands with their options."""
    return page("Commands", "Exit codes: 0 done, 1 partly failed, 2 wrong use.", "\n\n".join(_commands()))


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
    """Give every command below a group, with its whole name; the types of Click are Typer's own copy of them."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for child, inner in command.commands.items():
        yield from _walk(inner, f"{name} {child}")


def _option(parameter: Any) -> tuple[str, str, str]:
    is_argument = parameter.param_type_name == "argument"
    shown = f"`{parameter.name.upper()}`" if is_argument else ", ".join(f"`{name}`" for name in parameter.opts)
    default = parameter.default
    hidden = default is None or default is False or callable(default) or "Sentinel" in repr(default)
    return shown, " ".join((parameter.help or "").split()), "" if hidden else f"`{default}`"


def page(title: str, lead: str, body: str) -> str:
    """Return a whole page."""
    parts = [f"# {title}", GENERATED, lead, body]
    return "\n\n".join(part for part in parts if part) + "\n"


PAGES = {
    "losses.md": losses_page,
    "metrics.md": metrics_page,
    "networks.md": networks_page,
    "commands.md": commands_page,
    "photos96.md": results_page,
}


def main() -> int:
    """Write the pages, or with --check say which are not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 where a page is not current")
    check = parser.parse_args().check
    stale = []
    for name, make in PAGES.items():
        path, text = FOLDER / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    sys.stdout.write("".join(f"{'not current' if check else 'wrote'}: docs/reference/{name}\n" for name in stale))
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())

"""Pages that speak of studies: made from their committed records, analyzed anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chromalab.losses.compose import parse_formula
from chromalab.losses.registry import LOSSES
from chromalab.metrics.registry import metric_facts
from chromalab.report.curves import RunCurves, RunName, thin
from chromalab.report.diagnostics import diagnose
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.load import LoadedStudy, load_study
from tools import RESULTS
from tools.pages.markdown import page, table
from tools.release.pack import CURVES, read_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.studies.records import Analysis, ObjectiveRecord, StudyRecord, SummaryRow

READING = (
    "Means over photographs and seeds with 95% intervals. Bold: the best, and what it does not significantly beat. "
    "† the metric looks through the network that the objective was trained on."
)
ARROWS = {"lower": "↓", "higher": "↑", "closer": "≈ truth"}


@dataclass(frozen=True)
class Results:
    """A study whose records are committed, with its analysis."""

    name: str
    study: LoadedStudy
    analysis: Analysis

    @classmethod
    def load(cls, name: str) -> Results:
        """Read and analyze `results/NAME`."""
        study = load_study(RESULTS / name)
        return cls(name, study, analyze(study, metric_facts()))

    @property
    def lead(self) -> str:
        """What was trained on what, in a few sentences."""
        record, data = self.study.record, self.study.record.data
        return (
            f"{record.note} {data.n_train:,} photographs to train on, {data.n_test} to test on, seeds "
            f"{', '.join(map(str, record.seeds))}; {record.encoder}, {record.parameters:,} weights. The records are in "
            f"`results/{self.name}`, with the study file that made them."
        )

    def cell(self, metric: str, objective: str) -> SummaryRow | None:
        """Return the summary of an objective, or a bound, under a metric."""
        rows = (row for row in self.analysis.summary if (row.metric, row.objective) == (metric, objective))
        return next(rows, None)


def photos96_page() -> str:
    """Return the page of the five objectives."""
    results = Results.load("photos96")
    return page(results.study.record.title, results.lead, "\n\n".join(study_tables(results)))


def objectives96_page() -> str:
    """Return the page *Which objective does what*: one objective of each family and what it did."""
    results = Results.load("objectives96")
    record = results.study.record
    picture = (
        "![Sample photographs in the colors of every objective](../images/objectives96.jpg)\n\n"
        f"Four of the built-in sample photographs, none of which was trained on, by the networks of seed "
        f"{record.seeds[0]}. Left the gray photograph that every network saw, right the truth."
    )
    parts = (
        picture,
        "## In a few words",
        WORDS,
        table(("objective", "formula", "family", "time", "chroma", "what it did"), _behaviors(results)),
        "## What the terms did",
        TERMS,
        "\n".join(_diagnoses(results)),
        "## All numbers",
        *list(study_tables(results))[1:],
    )
    return page("Which objective does what", results.lead, "\n\n".join(parts))


TERMS = (
    "At the end of the training, mean over seeds and the last third of the steps; thresholds of the readings are this "
    "project's."
)
WORDS = (
    "*Time*: training time beside that of L2 on the same machine in the same hours, a rough figure. *Chroma*: mean "
    "chroma of the results as a share of the photographs' own. *Best* and *worst* count an objective alone at either "
    "end of a metric's means, judges that share its network left out."
)


def _behaviors(results: Results) -> Iterator[tuple[str, ...]]:
    ends = _ends(results)
    for objective in results.study.record.objectives:
        yield (
            f"`{objective.id}`",
            f"`{objective.formula}`",
            ", ".join(dict.fromkeys(LOSSES[spec.name].family for spec in parse_formula(objective.formula))),
            _relative_time(results, objective.id),
            _chroma_share(results, objective.id),
            "; ".join(ends[objective.id]) or "between the others everywhere",
        )


def _ends(results: Results) -> dict[str, list[str]]:
    """Return for each objective the metrics under whose means it is the best or the worst."""
    names = results.analysis.objectives
    best: dict[str, list[str]] = {name: [] for name in names}
    worst: dict[str, list[str]] = {name: [] for name in names}
    judged = {entry.id: entry.judges_trained_on for entry in results.study.record.objectives}
    for metric in results.analysis.metrics:
        judging = [name for name in names if metric.name not in judged[name]]
        found = {name: _error(results, metric.name, metric.direction, name) for name in judging}
        errors = {name: error for name, error in found.items() if error is not None}
        if len(errors) > 1:
            best[min(errors, key=errors.__getitem__)].append(metric.label)
            worst[max(errors, key=errors.__getitem__)].append(metric.label)
    return {
        name: [
            f"**{word}** by mean {', '.join(metrics)}"
            for word, metrics in (("best", best[name]), ("worst", worst[name]))
            if metrics
        ]
        for name in names
    }


def _error(results: Results, metric: str, direction: str, objective: str) -> float | None:
    """Return a mean such that less is better."""
    cell, truth = results.cell(metric, objective), results.cell(metric, "truth")
    if cell is None or cell.mean is None:
        return None
    if direction == "closer":
        return None if truth is None or truth.mean is None else abs(cell.mean - truth.mean)
    return cell.mean if direction == "lower" else -cell.mean


def _relative_time(results: Results, objective: str) -> str:
    seconds = dict.fromkeys((objective, "l2"), 0.0)
    for run in results.study.runs.values():
        if run.record.objective in seconds:
            seconds[run.record.objective] += run.record.training_seconds
    return f"{seconds[objective] / seconds['l2']:.1f}" if seconds["l2"] else "–"


def _chroma_share(results: Results, objective: str) -> str:
    own, truth = results.cell("chroma", objective), results.cell("chroma", "truth")
    if own is None or truth is None or own.mean is None or not truth.mean:
        return "–"
    return f"{100 * own.mean / truth.mean:.0f}%"


def _diagnoses(results: Results) -> Iterator[str]:
    curves = packed_curves(RESULTS / results.name / CURVES)
    for objective in results.analysis.objectives:
        found = [each.sentence for each in diagnose(curves, [objective]) if each.sentence]
        if found:
            yield f"- `{objective}`: " + " ".join(found)


def packed_curves(path: Path) -> list[RunCurves]:
    """Return the training curves of every run, sorted by space, objective and seed."""
    runs: dict[str, list[dict[str, str]]] = {}
    for row in read_csv(path):
        runs.setdefault(row.pop("run"), []).append(row)
    named = [(RunName.parse(run), rows) for run, rows in runs.items()]
    found = [RunCurves(name, thin(_arrays(rows))) for name, rows in named if name is not None]
    return sorted(found, key=lambda run: run.name)


def _arrays(rows: list[dict[str, str]]) -> dict[str, NDArray[np.float64]]:
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    return {name: np.array([float(row[name]) for row in rows]) for name in names}


def study_tables(results: Results) -> Iterator[str]:
    """Give what a study found as tables: its objectives, every metric with intervals, the verdicts on the claims."""
    record, analysis = results.study.record, results.analysis
    objectives = [(f"`{entry.id}`", _formula(entry)) for entry in record.objectives]
    claims = [(row.id, row.claim, f"**{row.verdict}**", row.summary) for row in analysis.claims]
    yield table(("objective", "formula"), objectives)
    yield READING
    yield table(("metric", *analysis.objectives, "grey", "truth"), _results(analysis, record))
    yield table(("", "claim", "verdict", "numbers"), claims)


def _formula(entry: ObjectiveRecord) -> str:
    return f"`{entry.formula}`" + (f" (`{entry.preset}`)" if entry.preset else "")


def _results(analysis: Analysis, record: StudyRecord) -> Iterator[tuple[str, ...]]:
    cells = {(row.metric, row.objective): row for row in analysis.summary}
    confounded = {(judge, entry.id) for entry in record.objectives for judge in entry.judges_trained_on}
    for metric in analysis.metrics:
        row = [cells.get((metric.name, name)) for name in (*analysis.objectives, "grey", "truth")]
        if any(row):
            yield (
                f"{metric.label} {ARROWS[metric.direction]}",
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

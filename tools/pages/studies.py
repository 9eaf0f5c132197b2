"""Pages of studies, from the packed records in results/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chromalab.losses.compose import parse_formula
from chromalab.losses.registry import LOSSES
from chromalab.metrics.registry import metric_facts
from chromalab.report.study.diagnostics import diagnose
from chromalab.report.study.training_logs import RunCurves, RunName, thin
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.load import LoadedStudy, load_study
from tools import RESULTS, read_csv
from tools.pages.markdown import page, render, table
from tools.release.pack import CURVES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from chromalab.studies.records import Analysis, ObjectiveRecord, StudyRecord, SummaryRow

NOTES = (
    "Means over photographs and seeds with 95% intervals. Bold: the best objective, and those that it does not beat "
    "significantly. "
    "† the metric uses the network that the objective was trained on."
)
ARROWS = {"lower": "↓", "higher": "↑", "closer": "≈ truth"}


@dataclass(frozen=True)
class Results:
    """A committed study with its analysis."""

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
        """A sentence on networks, data and records of the study."""
        record, data = self.study.record, self.study.record.data
        return (
            f"{record.note} {data.n_train:,} photographs to train on, {data.n_test} to test on, seeds "
            f"{', '.join(map(str, record.seeds))}; {record.encoder}, {record.parameters:,} parameters. Records: "
            f"`results/{self.name}`."
        )

    def cell(self, metric: str, objective: str) -> SummaryRow | None:
        """Return the summary of an objective, or a bound, under a metric."""
        rows = (row for row in self.analysis.summary if (row.metric, row.objective) == (metric, objective))
        return next(rows, None)


def photos96_page() -> str:
    """Return the page of the first study of five objectives."""
    results = Results.load("photos96")
    return page(results.study.record.title, results.lead, "\n\n".join(study_tables(results)))


def objectives96_page() -> str:
    """Return the page *Which objective does what*: one objective of each family and its effects."""
    results = Results.load("objectives96")
    return render(
        "objectives96.md",
        lead=results.lead,
        seed=results.study.record.seeds[0],
        behaviors=table(("objective", "formula", "family", "time", "chroma", "position"), _behaviors(results)),
        diagnoses="\n".join(_diagnoses(results)),
        tables="\n\n".join(list(study_tables(results))[1:]),
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
            "; ".join(ends[objective.id]) or "neither best nor worst",
        )


def _ends(results: Results) -> dict[str, list[str]]:
    """Return for each objective the metrics under whose means it is the best or the worst."""
    names = results.analysis.objectives
    best: dict[str, list[str]] = {name: [] for name in names}
    worst: dict[str, list[str]] = {name: [] for name in names}
    confounded = {entry.id: entry.judges_trained_on for entry in results.study.record.objectives}
    for metric in results.analysis.metrics:
        independent = [name for name in names if metric.name not in confounded[name]]
        found = {name: _error(results, metric.name, metric.direction, name) for name in independent}
        errors = {name: error for name, error in found.items() if error is not None}
        if len(errors) > 1:
            best[min(errors, key=errors.__getitem__)].append(metric.label)
            worst[max(errors, key=errors.__getitem__)].append(metric.label)
    return {
        name: [
            f"**{word}** under {', '.join(metrics)}"
            for word, metrics in (("best", best[name]), ("worst", worst[name]))
            if metrics
        ]
        for name in names
    }


def _error(results: Results, metric: str, direction: str, objective: str) -> float | None:
    """Return the mean of an objective as an error (lower is better)."""
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
    """Yield the tables of a study: its objectives, every metric with intervals, the verdicts on the claims."""
    record, analysis = results.study.record, results.analysis
    objectives = [(f"`{entry.id}`", _formula(entry)) for entry in record.objectives]
    claims = [(row.id, row.claim, f"**{row.verdict}**", row.summary) for row in analysis.claims]
    yield table(("objective", "formula"), objectives)
    yield NOTES
    yield table(("metric", *analysis.objectives, "grey", "truth"), _results(analysis, record))
    yield table(("", "claim", "verdict", "numbers"), claims)


def _formula(entry: ObjectiveRecord) -> str:
    return f"`{entry.formula}`" + (f" (`{entry.preset}`)" if entry.preset else "")


def _results(analysis: Analysis, record: StudyRecord) -> Iterator[tuple[str, ...]]:
    cells = {(row.metric, row.objective): row for row in analysis.summary}
    confounded = {(metric, entry.id) for entry in record.objectives for metric in entry.judges_trained_on}
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
    value = round(cell.mean, 9)  # a Fréchet distance of a set to itself is 0 only up to rounding
    mean = f"**{value:.4g}**" if cell.best else f"{value:.4g}"
    interval = "" if cell.ci_low is None or cell.n_seeds == 0 else f" [{cell.ci_low:.4g}, {cell.ci_high:.4g}]"
    return mean + ("†" if dagger else "") + interval

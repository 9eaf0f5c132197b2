"""The report of a survey: an HTML page with plots, tables as CSV, and the complete record as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chromalab.core.files import write_text
from chromalab.report.figures.style import INK, MUTED, RULE, canvas, finish
from chromalab.report.page import environment
from chromalab.survey.analysis.analyze import MIN_PEOPLE, MIN_PHOTOS, MIN_VOTES
from chromalab.survey.analysis.verdicts import ranked_groups, verdict_of_subgroups, verdicts
from chromalab.survey.design import CONDITIONS
from chromalab.survey.votes import SCALES
from chromalab.survey.votes_csv import table_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chromalab.core.records import Record
    from chromalab.report.figures.style import Drawing
    from chromalab.survey.analysis.records import SurveyAnalysis

AXES = {
    "pairwise": "log-ability (mean 0)",
    "rank_order": "log-ability (mean 0)",
    "real_or_fake": "fooling rate: share of trials in which generated colors were taken for real",
    "rating": "mean opinion score, {low} to {high}",
}
IMAGE_VALUES = {
    "pairwise": "share of comparisons won",
    "rank_order": "share of the other images that it was ranked above",
    "real_or_fake": "share of answers that took the image for real",
    "rating": "mean rating, {low} to {high}",
}
REACH = {"pairwise": 6.0, "rank_order": 6.0, "real_or_fake": None, "rating": None}
"""How far the axis extends beyond the scores at most. Arrows mark intervals that go on."""
REFERENCES = {"pairwise": 0.0, "rank_order": 0.0, "real_or_fake": 0.5, "rating": None}


def write_survey_report(analysis: SurveyAnalysis, out: Path) -> Path:
    """Write `report.html`, `analysis.json`, `scores.csv`, `differences.csv`, `raters.csv` and `images.csv`.

    With subgroups or metrics, `subgroups.csv` and `metrics.csv` as well.

    Returns:
        The path of the page.

    Raises:
        OutputError: the folder can't be written.
    """
    analysis.save(out / "analysis.json")
    write_text(
        out / "scores.csv", _csv([{"method": name, **row.model_dump()} for name, row in analysis.scores.items()])
    )
    write_text(out / "differences.csv", _csv([row.model_dump() for row in analysis.differences]))
    write_text(out / "raters.csv", _csv([_flat(row) for row in analysis.raters]))
    write_text(out / "images.csv", _csv([row.model_dump() for row in analysis.images]))
    if analysis.subgroups:
        write_text(out / "subgroups.csv", _csv(_subgroup_rows(analysis)))
    if analysis.metrics:
        rows = [{"metric": name, **row.model_dump()} for name, row in analysis.metrics.items()]
        write_text(out / "metrics.csv", _csv(rows))
    page = (
        environment("chromalab.survey.analysis")
        .get_template("survey.html")
        .render(
            analysis=analysis,
            groups=ranked_groups(analysis),
            verdicts=verdicts(analysis),
            scores=draw_scores(analysis),
            metrics=draw_metrics(analysis),
            subgroup_verdict=verdict_of_subgroups,
            out=[rater for rater in analysis.raters if rater.excluded],
            conditions=[name for name in CONDITIONS if any(name in rater.conditions for rater in analysis.raters)],
            axis=_axis(analysis, AXES),
            images={(row.photo, row.method): row for row in analysis.images},
            image_value=_axis(analysis, IMAGE_VALUES),
            minimum={"people": MIN_PEOPLE, "photos": MIN_PHOTOS, "votes": MIN_VOTES},
        )
    )
    write_text(out / "report.html", page)
    return out / "report.html"


def _subgroup_rows(analysis: SurveyAnalysis) -> list[dict[str, object]]:
    """Return a row for each method of each group, and one without a method for each group without scores."""
    found: list[dict[str, object]] = []
    for by in analysis.subgroups:
        for group in by.groups:
            own = {
                "question": by.question, "planned": int(by.planned), "p": by.p, "p_holm": by.p_holm,
                "group": group.name, "participants": group.n_participants, "photos": group.n_photos,
                "votes": group.n_votes, "lacking": group.lacking,
            }  # fmt: skip
            for method, score in group.scores.items() or [("", None)]:
                ends = ("value", "se", "low", "high", "n")
                found.append({**own, "method": method, **{name: getattr(score, name, None) for name in ends}})
    return found


def _axis(analysis: SurveyAnalysis, texts: Mapping[str, str]) -> str:
    return texts[analysis.protocol].format(low=SCALES[analysis.scale], high=analysis.scale)


def draw_scores(analysis: SurveyAnalysis) -> Drawing:
    """Draw the score of every method with its interval, and fainter the score without exclusions if it differs."""
    lines = []
    for name in (name for group in ranked_groups(analysis) for name in group):
        row, every = analysis.scores[name], analysis.scores_all.get(name)
        other = (every.value, every.low, every.high) if every is not None and every != row else None
        lines.append(IntervalLine(name, row.value, row.low, row.high, other))
    best = f" The best is {lines[0].label}." if len(analysis.components) <= 1 else ""
    return draw_intervals(
        lines, name="scores", alt=f"Scores of {len(lines)} methods with intervals.{best}", axis=_axis(analysis, AXES),
        reference=REFERENCES[analysis.protocol], reach=REACH[analysis.protocol],
        breaks=[len(group) for group in ranked_groups(analysis)],
    )  # fmt: skip


def draw_metrics(analysis: SurveyAnalysis) -> Drawing | None:
    """Draw the rank correlation of each metric with participants."""
    lines = [
        IntervalLine(
            name, row.srcc, row.srcc if row.low is None else row.low, row.srcc if row.high is None else row.high
        )
        for name, row in analysis.metrics.items()
        if row.srcc is not None
    ]
    if not lines:
        return None
    alt = f"Rank correlation of {len(lines)} metrics with participants. The best is {lines[0].label}."
    return draw_intervals(
        lines, name="metrics", alt=alt, axis="rank correlation with participants (SRCC)", reference=0.0
    )


@dataclass(frozen=True)
class IntervalLine:
    """A value with its interval, and optionally a second, fainter one."""

    label: str
    value: float
    low: float
    high: float
    other: tuple[float, float, float] | None = None


def draw_intervals(
    lines: Sequence[IntervalLine],
    *,
    name: str,
    alt: str,
    axis: str,
    reference: float | None = None,
    reach: float | None = None,
    breaks: Sequence[int] = (),
) -> Drawing:
    """Draw values with intervals, one below the other.

    Args:
        lines: the values, the first on top.
        name: name of the drawing.
        alt: text alternative.
        axis: label of the axis.
        reference: value of a vertical rule.
        reach: how far the axis extends beyond the values at most; intervals that go on end in an arrow.
        breaks: sizes of groups of lines between which a rule is drawn.
    """
    values = [line.value for line in lines]
    ends = (-math.inf, math.inf) if reach is None else (min(values) - reach, max(values) + reach)
    with canvas(6.4, 0.55 + 0.32 * len(lines)) as figure:
        axes = figure.subplots()
        if reference is not None:
            axes.axvline(reference, color=MUTED, linewidth=0.7, linestyle=(0, (4, 3)))
        for place, line in enumerate(lines):
            if line.other is not None:
                value, low, high = line.other
                axes.plot(np.clip([low, high], *ends), [place + 0.22] * 2, color=RULE, linewidth=1.4)
                axes.plot([value], [place + 0.22], "o", color="white", markeredgecolor=MUTED, markersize=3.5)
            axes.plot(np.clip([line.low, line.high], *ends), [place, place], color=INK, linewidth=1.6)
            for end, open_end, arrow in ((ends[0], line.low < ends[0], "<"), (ends[1], line.high > ends[1], ">")):
                if open_end:
                    axes.plot([end], [place], arrow, color=INK, markersize=5)
            axes.plot([line.value], [place], "o", color=INK, markersize=4.5)
        for size in np.cumsum(breaks[:-1]):
            axes.axhline(size - 0.5, color=MUTED, linewidth=0.7)
        axes.set_yticks(range(len(lines)), [line.label for line in lines])
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.set_xlabel(axis)
        axes.grid(visible=True, axis="x", color=RULE, linewidth=0.4)
        axes.set_axisbelow(True)
        return finish(figure, name, alt)


def _flat(row: Record) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in row.model_dump().items():
        if isinstance(value, tuple):
            found[f"{name}_right"], found[f"{name}_n"] = value
        elif isinstance(value, dict):
            found |= {condition: value.get(condition) for condition in CONDITIONS}
        else:
            found[name] = " ".join(value) if isinstance(value, list) else value
    return found


def _csv(rows: Sequence[dict[str, object]]) -> str:
    return table_text(list(rows[0]), (list(row.values()) for row in rows)) if rows else ""

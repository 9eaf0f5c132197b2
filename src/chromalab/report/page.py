"""`write_report`: everything that a finished, or partly finished, study has to say, in one folder."""

from __future__ import annotations

import dataclasses
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from chromalab.core.files import write_bytes, write_text
from chromalab.report import numbers
from chromalab.report.csv_files import diagnostics_csv, differences_csv, summary_csv
from chromalab.report.curves import read_curves
from chromalab.report.diagnostics import diagnose, diagnosis_rows
from chromalab.report.duels import draw_duels
from chromalab.report.forest import draw_all, draw_forest, forests
from chromalab.report.gallery import study_gallery
from chromalab.report.headline import EQUIVALENCE_CLAIM, headline
from chromalab.report.latex import claims_latex, summary_latex
from chromalab.report.method import (
    configuration_text,
    data_facts,
    disagreements,
    method_facts,
    objective_facts,
    read_runs,
)
from chromalab.report.readings import thresholds
from chromalab.report.standing import draw_standings
from chromalab.report.style import objective_styles
from chromalab.report.svg import inline_svg
from chromalab.report.tables import BOUND_LABELS, main_table
from chromalab.report.training_plots import (
    draw_cosines,
    draw_critic,
    draw_losses,
    draw_shares,
    draw_terms,
    draw_weights,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from chromalab.report.curves import RunCurves
    from chromalab.report.diagnostics import Diagnosis
    from chromalab.report.style import Drawing, ObjectiveStyle
    from chromalab.report.tables import MainTable
    from chromalab.studies.records import Analysis, DifferenceRow, StudyRecord


@dataclasses.dataclass(frozen=True)
class ReportPaths:
    """Where the parts of a report were written."""

    html: Path
    analysis: Path
    summary: Path
    differences: Path
    diagnostics: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]


@dataclasses.dataclass(frozen=True)
class SpaceFigures:
    """The figures of one color space; a missing one had no data."""

    standing: Drawing | None
    duels: Drawing | None
    forest_all: Drawing | None
    forests: tuple[Drawing, ...]
    losses: tuple[Drawing, ...]
    terms: tuple[Drawing, ...]
    shares: tuple[Drawing, ...]
    cosines: tuple[Drawing, ...]
    weights: tuple[Drawing, ...]
    critic: tuple[Drawing, ...]

    def drawings(self) -> Iterator[Drawing]:
        """Iterate over every figure there is."""
        yield from (drawing for drawing in (self.standing, self.duels, self.forest_all) if drawing is not None)
        for group in (self.forests, self.losses, self.terms, self.shares, self.cosines, self.weights, self.critic):
            yield from group


@dataclasses.dataclass(frozen=True)
class SpaceView:
    """What the page shows of one color space."""

    name: str
    table: MainTable
    figures: SpaceFigures
    differences: tuple[Mapping[str, Any], ...]
    diagnoses: tuple[Diagnosis, ...]


def write_report(folder: Path, analysis: Analysis, study: StudyRecord) -> ReportPaths:
    """Write `report/` of a study: the page, the analysis, CSV files, LaTeX tables and figures.

    Args:
        folder: the study's folder; its runs, curves and pictures are read from there, and may be missing.
        analysis: the numbers and verdicts.
        study: what the study is.

    Raises:
        OutputError: the folder can't be written.
    """
    out = folder / "report"
    styles = objective_styles([objective.id for objective in study.objectives])
    curves = read_curves(folder)
    views = [_space_view(space, analysis, study, curves, styles) for space in analysis.color_spaces]
    paths = ReportPaths(
        html=out / "report.html",
        analysis=out / "analysis.json",
        summary=out / "summary.csv",
        differences=out / "differences.csv",
        diagnostics=out / "diagnostics.csv",
        tables=tuple(_write_tables(out / "tables", views, analysis, study)),
        figures=tuple(_write_figures(out / "figures", views)),
    )
    analysis.save(paths.analysis)
    write_text(paths.summary, summary_csv(analysis.summary))
    write_text(paths.differences, differences_csv(analysis.differences))
    write_text(paths.diagnostics, diagnostics_csv(one for view in views for one in view.diagnoses))
    write_text(paths.html, _render(folder, analysis, study, views, styles))
    return paths


def _space_view(
    space: str,
    analysis: Analysis,
    study: StudyRecord,
    curves: Sequence[RunCurves],
    styles: Mapping[str, ObjectiveStyle],
) -> SpaceView:
    own = [run for run in curves if run.name.color_space == space]
    return SpaceView(
        space,
        main_table(analysis, study, space),
        _space_figures(space, analysis, own, styles),
        tuple(_difference_groups(analysis, space)),
        tuple(diagnose(own, list(styles))),
    )


def _space_figures(
    space: str, analysis: Analysis, curves: Sequence[RunCurves], styles: Mapping[str, ObjectiveStyle]
) -> SpaceFigures:
    plots = forests(analysis, space)
    return SpaceFigures(
        standing=draw_standings(analysis, space, styles),
        duels=draw_duels(analysis, space, styles),
        forest_all=draw_all(plots, space, styles) if plots else None,
        forests=tuple(draw_forest(plot, space, styles) for plot in plots),
        losses=tuple(draw_losses(curves, styles)),
        terms=tuple(draw_terms(curves, styles)),
        shares=tuple(draw_shares(curves, styles)),
        cosines=tuple(draw_cosines(curves, styles)),
        weights=tuple(draw_weights(curves, styles)),
        critic=tuple(draw_critic(curves, styles)),
    )


def _difference_groups(analysis: Analysis, space: str) -> Iterator[Mapping[str, Any]]:
    """Give the rows of the table of differences, one group for each metric, with the decimals of that metric."""
    for metric in analysis.metrics:
        rows = [row for row in analysis.differences if row.metric == metric.name and row.color_space == space]
        if rows:
            yield {"metric": metric, "rows": rows, "decimals": _difference_decimals(rows)}


def _difference_decimals(rows: Sequence[DifferenceRow]) -> int:
    widths = [(row.ci_high - row.ci_low) / 2 for row in rows if row.ci_low is not None and row.ci_high is not None]
    return numbers.decimals_for(widths, [row.mean for row in rows if row.mean is not None])


def _write_tables(out: Path, views: Sequence[SpaceView], analysis: Analysis, study: StudyRecord) -> Iterator[Path]:
    for view in views:
        path = out / f"summary_{view.name}.tex"
        data = f"{study.data.source}, {study.data.size_px} px"
        write_text(path, summary_latex(view.table, n_photos=analysis.n_photos, seeds=len(analysis.seeds), data=data))
        yield path
    path = out / "claims.tex"
    write_text(path, claims_latex(analysis.claims))
    yield path


def _write_figures(out: Path, views: Sequence[SpaceView]) -> Iterator[Path]:
    for view in views:
        for drawing in view.figures.drawings():
            svg, png = out / f"{drawing.name}.svg", out / f"{drawing.name}.png"
            write_text(svg, drawing.svg)
            write_bytes(png, drawing.png)
            yield from (svg, png)


def _render(
    folder: Path,
    analysis: Analysis,
    study: StudyRecord,
    views: Sequence[SpaceView],
    styles: Mapping[str, ObjectiveStyle],
) -> str:
    runs, faults = read_runs(folder)
    tested = [claim for claim in analysis.claims if claim.verdict != "not tested"]
    return environment().get_template("report.html").render(
        analysis=analysis,
        study=study,
        views=views,
        styles=styles,
        headline=headline(analysis, study, runs),
        tested_claims=sorted(tested, key=lambda claim: claim.id != EQUIVALENCE_CLAIM),
        untested_claims=[claim for claim in analysis.claims if claim.verdict == "not tested"],
        bound_labels=BOUND_LABELS,
        gallery=study_gallery(folder, study, analysis.objectives),
        objectives=objective_facts(study, runs),
        method=method_facts(study, runs),
        data=data_facts(study.data),
        configuration=configuration_text(study),
        faults=[*faults, *disagreements(study, runs)],
        labels={metric.name: metric.label for metric in analysis.metrics},
    )  # fmt: skip


def environment(*packages: str) -> jinja2.Environment:
    """Return the templates' environment: escaping on, unknown names refused, style and script inlined.

    Args:
        packages: others whose templates build on those of this one.
    """
    found = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in ("chromalab.report", *packages)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(space_label=numbers.space_label, code_spans=_code_spans, breakable=_breakable)
    found.globals.update(
        figure=_figure, static=_static, numbers=numbers, diagnosis_rows=diagnosis_rows, thresholds=thresholds()
    )
    return found


def _figure(drawing: Drawing) -> Markup:
    """Return a drawing for a page; its text was escaped when it was drawn."""
    return Markup(inline_svg(drawing.svg, prefix=drawing.name, alt=drawing.alt))  # noqa: S704


def _code_spans(text: str) -> Markup:
    """Return escaped text in which `names` between backticks are set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


def _breakable(name: str) -> Markup:
    """Return an escaped name that a narrow column may break after its underscores."""
    return Markup("_<wbr>").join(name.split("_"))


def _static(name: str) -> Markup:
    """Return a file of this package's `static` folder, which is the project's own text."""
    return Markup((resources.files("chromalab.report") / "static" / name).read_text(encoding="utf-8"))  # noqa: S704

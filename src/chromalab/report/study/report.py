"""The report of a study: one folder with an HTML page, CSV files, LaTeX tables and figures."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from chromalab.core.files import write_bytes, write_text
from chromalab.report import formatting
from chromalab.report.figures.differences import draw_forest, draw_forests, draw_win_matrix, forests
from chromalab.report.figures.overview import draw_overview, relative_scores
from chromalab.report.figures.primary import draw_primary
from chromalab.report.figures.style import objective_styles
from chromalab.report.figures.training import (
    draw_cosines,
    draw_critic,
    draw_losses,
    draw_shares,
    draw_terms,
    draw_weights,
)
from chromalab.report.gallery import find_colorized_images, gallery, study_gallery
from chromalab.report.page import environment
from chromalab.report.study.answer import answer
from chromalab.report.study.diagnostics import diagnose, diagnosis_rows, thresholds
from chromalab.report.study.method import (
    configuration_text,
    data_facts,
    disagreements,
    method_facts,
    objective_facts,
    read_runs,
)
from chromalab.report.study.tables import (
    BOUND_LABELS,
    claims_latex,
    diagnostics_csv,
    differences_csv,
    main_table,
    primary_csv,
    seed_counts,
    summary_csv,
    summary_latex,
)
from chromalab.report.study.training_logs import read_curves
from chromalab.studies.records import EQUAL_CHROMA, Analysis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from chromalab.report.figures.style import Drawing, ObjectiveStyle
    from chromalab.report.study.diagnostics import Diagnosis
    from chromalab.report.study.tables import MainTable
    from chromalab.report.study.training_logs import RunCurves
    from chromalab.studies.records import StudyRecord


@dataclasses.dataclass(frozen=True)
class ReportPaths:
    """Paths of the files of a report."""

    html: Path
    analysis: Path
    summary: Path
    differences: Path
    primary: Path
    diagnostics: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]


@dataclasses.dataclass(frozen=True)
class SpaceFigures:
    """The figures of one color space; a figure without data is None or empty."""

    primary: Drawing | None
    equal_chroma: Drawing | None
    overview: Drawing | None
    win_matrix: Drawing | None
    forest_all: Drawing | None
    forests: tuple[Drawing, ...]
    losses: tuple[Drawing, ...]
    terms: tuple[Drawing, ...]
    shares: tuple[Drawing, ...]
    cosines: tuple[Drawing, ...]
    weights: tuple[Drawing, ...]
    critic: tuple[Drawing, ...]

    def drawings(self) -> Iterator[Drawing]:
        """Yield all figures."""
        single = (self.primary, self.equal_chroma, self.overview, self.win_matrix, self.forest_all)
        yield from (drawing for drawing in single if drawing is not None)
        for group in (self.forests, self.losses, self.terms, self.shares, self.cosines, self.weights, self.critic):
            yield from group


@dataclasses.dataclass(frozen=True)
class SpaceView:
    """Everything that the page shows for one color space."""

    name: str
    table: MainTable
    figures: SpaceFigures
    differences: tuple[Mapping[str, Any], ...]
    diagnoses: tuple[Diagnosis, ...]
    unclear: bool  # whether the overview marks metrics whose span is not clear


def write_report(folder: Path, analysis: Analysis, study: StudyRecord) -> ReportPaths:
    """Write `report/` of a study: the page, the analysis, CSV files, LaTeX tables and figures.

    Args:
        folder: the study's folder with runs, curves and images, each of which may be missing.
        analysis: the numbers and verdicts.
        study: the study's record.

    Raises:
        OutputError: the folder can't be written.
    """
    out = folder / "report"
    styles = objective_styles([objective.id for objective in study.objectives])
    curves = read_curves(folder)
    at_equal_chroma, outdated = _at_equal_chroma(folder, analysis, study)
    views = [_space_view(space, analysis, at_equal_chroma, study, curves, styles) for space in analysis.color_spaces]
    paths = ReportPaths(
        html=out / "report.html",
        analysis=out / "analysis.json",
        summary=out / "summary.csv",
        differences=out / "differences.csv",
        primary=out / "primary.csv",
        diagnostics=out / "diagnostics.csv",
        tables=tuple(_write_tables(out / "tables", views, analysis, study)),
        figures=tuple(_write_figures(out / "figures", views)),
    )
    analysis.save(paths.analysis)
    write_text(paths.summary, summary_csv(analysis.summary))
    write_text(paths.differences, differences_csv(analysis.differences))
    write_text(paths.primary, primary_csv(analysis.primary))
    write_text(paths.diagnostics, diagnostics_csv(one for view in views for one in view.diagnoses))
    write_text(paths.html, _render(folder, analysis, study, views, styles, outdated))
    return paths


def _at_equal_chroma(folder: Path, analysis: Analysis, study: StudyRecord) -> tuple[Analysis | None, str]:
    """Return the analysis at equal chroma, or its outdated folder if it covers other runs than `analysis`."""
    place = f"protocols/{study.protocol}{EQUAL_CHROMA}"
    path = folder / place / "analysis.json"
    if not path.is_file():
        return None, ""
    found = Analysis.load(path)
    return (found, "") if set(found.missing_runs) == set(analysis.missing_runs) else (None, place)


def _space_view(
    space: str,
    analysis: Analysis,
    at_equal_chroma: Analysis | None,
    study: StudyRecord,
    curves: Sequence[RunCurves],
    styles: Mapping[str, ObjectiveStyle],
) -> SpaceView:
    own = [run for run in curves if run.name.color_space == space]
    return SpaceView(
        space,
        main_table(analysis, study, space),
        _space_figures(space, analysis, at_equal_chroma, own, styles),
        tuple(_difference_groups(analysis, space)),
        tuple(diagnose(own, list(styles))),
        not all(score.clear for score in relative_scores(analysis, space)),
    )


def _space_figures(
    space: str,
    analysis: Analysis,
    at_equal_chroma: Analysis | None,
    curves: Sequence[RunCurves],
    styles: Mapping[str, ObjectiveStyle],
) -> SpaceFigures:
    plots = forests(analysis, space)
    primary = [row for row in analysis.primary if row.color_space == space]
    equal = [row for row in at_equal_chroma.primary if row.color_space == space] if at_equal_chroma else []
    return SpaceFigures(
        primary=draw_primary(primary, analysis.metrics, space),
        equal_chroma=draw_primary(equal, analysis.metrics, space, "equal_chroma"),
        overview=draw_overview(analysis, space, styles),
        win_matrix=draw_win_matrix(analysis, space, styles),
        forest_all=draw_forests(plots, space, styles) if plots else None,
        forests=tuple(draw_forest(plot, space, styles) for plot in plots),
        losses=tuple(draw_losses(curves, styles)),
        terms=tuple(draw_terms(curves, styles)),
        shares=tuple(draw_shares(curves, styles)),
        cosines=tuple(draw_cosines(curves, styles)),
        weights=tuple(draw_weights(curves, styles)),
        critic=tuple(draw_critic(curves, styles)),
    )


def _difference_groups(analysis: Analysis, space: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of the table of differences, grouped by metric, with the decimals of each metric."""
    for metric in analysis.metrics:
        rows = [row for row in analysis.differences if row.metric == metric.name and row.color_space == space]
        if rows:
            yield {
                "metric": metric,
                "rows": rows,
                "decimals": formatting.column_decimals((row.mean, row.ci_low, row.ci_high) for row in rows),
            }


def _write_tables(out: Path, views: Sequence[SpaceView], analysis: Analysis, study: StudyRecord) -> Iterator[Path]:
    for view in views:
        path = out / f"summary_{view.name}.tex"
        data = f"{study.data.source}, {study.data.size_px} px"
        seeds = seed_counts(analysis, view.name)
        write_text(path, summary_latex(view.table, n_photos=analysis.n_photos, seeds=seeds, data=data))
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
    outdated: str,
) -> str:
    runs, faults = read_runs(folder)
    tested = [claim for claim in analysis.claims if claim.verdict != "not tested"]
    return environment().get_template("report.html").render(
        analysis=analysis,
        study=study,
        views=views,
        styles=styles,
        equal_chroma_outdated=outdated,
        answer=answer(analysis, study, runs),
        tested_claims=tested,
        untested_claims=[claim for claim in analysis.claims if claim.verdict == "not tested"],
        bound_labels=BOUND_LABELS,
        gallery=study_gallery(folder, study, analysis.objectives),
        objectives=objective_facts(study, runs),
        method=method_facts(study, runs),
        data=data_facts(study.data),
        configuration=configuration_text(study),
        faults=[*faults, *disagreements(study, runs)],
        labels={metric.name: metric.label for metric in analysis.metrics},
        diagnosis_rows=diagnosis_rows,
        thresholds=thresholds(),
    )  # fmt: skip


def write_colorized_page(folder: Path, study: StudyRecord) -> Path:
    """Write `report/colorized.html` from `colorized/PHOTO/{grey,RUN_ID...}.png`, and return its path.

    Args:
        folder: the study's folder.
        study: the study's record.

    Raises:
        OutputError: the page can't be written.
    """
    objectives = [objective.id for objective in study.objectives]
    page = environment().get_template("colorized.html").render(
        study=study,
        styles=objective_styles(objectives),
        gallery=gallery(find_colorized_images(folder), objectives),
    )  # fmt: skip
    path = folder / "report" / "colorized.html"
    write_text(path, page)
    return path

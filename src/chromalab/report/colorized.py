"""The page of photos without ground truth: every objective's colors beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.files import write_text
from chromalab.report.gallery import gallery
from chromalab.report.page import environment
from chromalab.report.pictures import colorized_pictures
from chromalab.report.style import objective_styles

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.studies.records import StudyRecord


def write_colorized_page(folder: Path, study: StudyRecord) -> Path:
    """Write `report/colorized.html` from `colorized/PHOTO/{grey,RUN_ID...}.png`, and return its path.

    Args:
        folder: the study's folder.
        study: what the study is.

    Raises:
        OutputError: the page can't be written.
    """
    objectives = [objective.id for objective in study.objectives]
    page = environment().get_template("colorized.html").render(
        study=study,
        styles=objective_styles(objectives),
        gallery=gallery(colorized_pictures(folder), objectives),
    )  # fmt: skip
    path = folder / "report" / "colorized.html"
    write_text(path, page)
    return path

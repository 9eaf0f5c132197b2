"""One synthetic study with its report, written once for all tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from chromalab.report.study.report import ReportPaths, write_report
from tests.report.synthetic_study import SyntheticStudy, make_analysis, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.studies.records import Analysis, StudyRecord


@dataclass(frozen=True)
class WrittenStudy:
    """A study folder with its report, and the records that the report was made from."""

    folder: Path
    study: StudyRecord
    analysis: Analysis
    paths: ReportPaths


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> WrittenStudy:
    """Return a finished study with its report; tests only read it."""
    folder = tmp_path_factory.mktemp("study")
    made = SyntheticStudy()
    study = write_study(folder, made)
    analysis = make_analysis(folder, study)
    return WrittenStudy(folder, study, analysis, write_report(folder, analysis, study))

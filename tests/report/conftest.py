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
class AnalyzedStudy:
    """A study folder without a report, and its records."""

    folder: Path
    study: StudyRecord
    analysis: Analysis


@dataclass(frozen=True)
class WrittenStudy(AnalyzedStudy):
    """A study folder with its report, and the records that the report was made from."""

    paths: ReportPaths


@pytest.fixture(scope="session")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> AnalyzedStudy:
    """Return a finished study; tests only read it."""
    folder = tmp_path_factory.mktemp("study")
    study = write_study(folder, SyntheticStudy())
    return AnalyzedStudy(folder, study, make_analysis(folder, study))


@pytest.fixture(scope="session")
def written(analyzed: AnalyzedStudy) -> WrittenStudy:
    """Return the finished study with its report, which takes many seconds; tests only read it."""
    paths = write_report(analyzed.folder, analyzed.analysis, analyzed.study)
    return WrittenStudy(analyzed.folder, analyzed.study, analyzed.analysis, paths)

"""The public names of the report and survey packages."""

from __future__ import annotations

import subprocess
import sys

import pytest

import chromalab.report
import chromalab.survey


@pytest.mark.parametrize("package", [chromalab.report, chromalab.survey])
def test_every_public_name_is_a_callable(package: object) -> None:
    for name in package.__all__:  # type: ignore[attr-defined]
        assert callable(getattr(package, name))


def test_an_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="write_nothing"):
        _ = chromalab.report.write_nothing


def test_importing_the_packages_imports_no_heavy_library() -> None:
    heavy = "{'torch', 'matplotlib', 'sqlalchemy'}"
    code = f"import sys, chromalab.report, chromalab.survey; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_opening_a_survey_server_imports_no_torch() -> None:
    code = "import sys, chromalab.survey.server.app; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

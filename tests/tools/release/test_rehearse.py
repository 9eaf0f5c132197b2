"""The release rehearsal: notes of a version, and the Dockerfile as it would be built without Docker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import ROOT
from tools.release.container import container_of, script_of
from tools.release.rehearse import release_notes

CHANGELOG = """# Changes

## Unreleased

- Next.

## 1.0 - 2026-12-01

### Added

- First.

## [0.9]

- Older.
"""


def test_notes_are_the_section_of_the_version() -> None:
    assert release_notes(CHANGELOG, "1.0") == "# chromalab 1.0\n\n### Added\n\n- First.\n"
    assert release_notes(CHANGELOG, "0.9") == "# chromalab 0.9\n\n- Older.\n"
    assert release_notes(CHANGELOG, "1.1") == "# chromalab 1.1\n\n- Next.\n"
    with pytest.raises(ValueError, match="no section for 2"):
        release_notes("# Changes\n\n## Unreleased\n\n## 1.0\n\n- First.\n", "2")


def test_the_container_serves_as_a_user_without_rights() -> None:
    found = container_of(ROOT / "Dockerfile")
    assert found.user not in {"", "root", "0"}
    assert found.command[:2] == ["chromalab", "serve"]
    port = found.command[found.command.index("--port") + 1]
    assert f"http://127.0.0.1:{port}/" in found.health
    script = script_of(found)
    assert script.index("useradd") < script.index(f"--reuid {found.user}") < script.index(found.health)


def test_the_container_is_built_from_the_wheel_and_the_tested_versions() -> None:
    steps = "\n".join(container_of(ROOT / "Dockerfile").steps)
    assert "/mnt/constraints.txt /mnt/dist/chromalab-*.whl" in steps
    assert "-c /install/constraints.txt" in steps


def test_instructions_that_are_not_performed_are_refused(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nADD a b\n")
    with pytest.raises(ValueError, match="ADD is not understood"):
        container_of(tmp_path / "Dockerfile")

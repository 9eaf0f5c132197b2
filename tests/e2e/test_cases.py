"""Every line of tests/e2e/cases, which docs/reference/files.md prints, is what `chromalab colorize` does."""

from __future__ import annotations

import csv
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from chromalab.colorization.plan import make_plan
from chromalab.core.files import printable
from tools.benchmarks.outputs import UNREAD, faults_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Case

pytestmark = pytest.mark.slow

ALL_LINES = [
    line
    for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    for line in yaml.safe_load(path.read_text(encoding="utf-8"))["cases"]
]
LINES = [line for line in ALL_LINES if "evaluate" not in line]
CLOSED = "folder-that-may-not-be-read"


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join([line["case"], *line.get("options", ())]))
def test_case(line: dict[str, Any], case: Callable[[str], Case], request: pytest.FixtureRequest) -> None:
    made = case(line["case"])
    if line["case"] == CLOSED:
        request.getfixturevalue("permissions")
    results = made.colorize(*line.get("options", ()), out=line.get("out", "out/"))
    behaviors = {name: _behavior(result) for name, result in results.items()}
    for file in made.summary()["left_out"]:
        behaviors[file["source"].removeprefix("in/")] = f"left out: {file['reason']}"
    for item in make_plan(["in"], line.get("out", "out/"), suffix=_suffix(line)).items:
        result = results[printable(item.source).removeprefix("in/")]
        if result["status"] != "failed" and not result["warnings"]:
            assert not [fault for fault in faults_of(item.source, item.output) if not fault.startswith(UNREAD)]
    unused = set(line["files"])
    for name, behavior in behaviors.items():
        pattern = next(pattern for pattern in line["files"] if fnmatchcase(name, pattern))
        kind, _, words = line["files"][pattern].partition(": ")
        assert behavior.partition(": ")[0] == kind, f"{name}: {behavior}"
        assert words in behavior, f"{name}: {behavior}"
        unused.discard(pattern)
    assert not unused, "no file of the case matches these patterns"


@pytest.mark.parametrize("line", [line for line in ALL_LINES if "evaluate" in line], ids=lambda line: line["case"])
def test_evaluated_case(line: dict[str, Any], case: Callable[[str], Case]) -> None:
    done = case(line["case"]).chromalab("evaluate", *line["evaluate"], "--metrics", "mae", "--json", "out.json")
    assert done.code == 0, done.err
    scores = json.loads(Path("out.json").read_text(encoding="utf-8"))["metrics"]["mae"]
    assert (scores["n"], set(line["files"].values())) == (len(line["files"]), {"done"})


def _suffix(line: dict[str, Any]) -> str | None:
    options = line.get("options", [])
    return "." + options[options.index("--format") + 1] if "--format" in options else None


def _behavior(result: dict[str, Any]) -> str:
    if result["status"] == "failed":
        return f"refused: {result['reason']}"
    return f"warning: {'; '.join(result['warnings'])}" if result["warnings"] else "done"


def test_every_case_has_a_line(shared: Path) -> None:
    with (shared / "cases" / "expected.csv").open(encoding="utf-8", newline="") as file:
        assert {row["case"] for row in csv.DictReader(file)} == {line["case"] for line in ALL_LINES}

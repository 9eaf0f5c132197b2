"""Results of several files in one table: only where they may stand in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.evaluation.comparing import EvaluationSettings, compare_folders
from chromalab.evaluation.folders import evaluate_folders
from chromalab.evaluation.tables import join_results
from tests.evaluation.rated import SCENES
from tests.evaluation.variants import write_variants

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Path]:
    """Return result files of two methods, evaluated apart."""
    folders = write_variants(tmp_path, {name: photo.copy() for name, photo in SCENES.items()})
    found: dict[str, Path] = {}
    for name in ("sepia", "blurred"):
        evaluation = evaluate_folders(
            folders[name], tmp_path / "target", metrics=["mae", "chroma"], device="cpu", threads=1
        )
        evaluation.record.save(found.setdefault(name, tmp_path / f"{name}.json"))
    return found


def test_methods_stand_beside_each_other(results: dict[str, Path]) -> None:
    record = join_results(list(results.values()))
    assert [method.name for method in record.methods] == ["sepia", "blurred"]
    assert [facts.name for facts in record.metrics] == ["mae", "chroma"]
    means = [method.metrics["mae"].mean or 0.0 for method in record.methods]
    assert means[0] > means[1] > 0
    assert record.differences == []


def test_a_comparison_keeps_its_tests_alone_and_loses_them_in_company(results: dict[str, Path], tmp_path: Path) -> None:
    settings = EvaluationSettings(metrics=["mae", "chroma"], device="cpu", threads=1)
    folders = {name: tmp_path / name for name in ("sepia", "uncolored")}
    compare_folders(folders, target=tmp_path / "target", settings=settings).record.save(tmp_path / "both.json")
    alone = join_results([tmp_path / "both.json"])
    assert [method.name for method in alone.methods] == ["grey", "sepia", "uncolored", "truth"]
    assert alone.differences
    joined = join_results([tmp_path / "both.json", results["blurred"]])
    assert [method.name for method in joined.methods] == ["both: sepia", "both: uncolored", "blurred"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"protocol": "chromalab-v1"', '"protocol": "ddcolor"', "the protocols are chromalab-v1 and ddcolor"),
        ('"n_photos": 4', '"n_photos": 3', "the photographs are not the same"),
        ('"protocol_sha256": "', '"protocol_sha256": "0', "the rules of chromalab-v1 are not the same"),
        ('"weights": {}', '"weights": {"alexnet": "9"}', "the weights of alexnet differ"),
    ],
)
def test_what_differs_is_refused_with_its_reason(results: dict[str, Path], old: str, new: str, message: str) -> None:
    path, other = results["blurred"], results["sepia"]
    if "weights" in old:
        other.write_text(
            other.read_text(encoding="utf-8").replace(old, '"weights": {"alexnet": "1"}'), encoding="utf-8"
        )
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        join_results([other, path])


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"x\.json: "):
        join_results([tmp_path / "x.json"])

"""An evaluation in parts gives what one process gives, whatever ends first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chromalab.core.errors import ChromalabError, UsageError
from chromalab.evaluation import distribute, photo_files
from chromalab.evaluation.distribute import ScoringTask, fingerprint, score_part
from chromalab.evaluation.folders import EvaluationSettings, compare_folders
from chromalab.evaluation.scoring import EvaluatorSettings
from chromalab.photo.writing import write_png
from tests.core.backwards import Backwards
from tests.evaluation.variants import write_variants

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.core.executors import Executor
    from chromalab.evaluation.records import ComparisonRecord
    from chromalab.evaluation.scores import Comparison

METRICS = ("mae", "ssim", "delta_e_2000", "perceptual_lite0", "frechet_lite0", "colorfulness")
SETTINGS = EvaluationSettings(metrics=METRICS, device="cpu", threads=2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return made-up methods on 23 photos of two sizes, of which one is damaged; parts have ten."""
    rng = np.random.default_rng(0)
    photos = {f"{n:02}": rng.integers(0, 256, (40 if n % 7 else 48, 40, 3), dtype=np.uint8) for n in range(23)}
    write_variants(tmp_path, photos)
    (tmp_path / "target" / "11.png").write_bytes(b"no image")
    for module in (photo_files, distribute):
        monkeypatch.setattr(module, "PART", 10)
    return tmp_path


def compare(folder: Path, executor: Executor | None = None, state: Path | None = None) -> Comparison:
    methods = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and path.name != "target"}
    return compare_folders(
        methods, target=folder / "target", settings=replace(SETTINGS, state=state), executor=executor
    )


@pytest.mark.slow
def test_parts_are_the_whole_bit_for_bit(folder: Path) -> None:
    here, there = compare(folder), compare(folder, Backwards())
    assert here.record == there.record
    assert here.record.n_photos == 22
    for method, table in here.scores.items():
        for name, column in table.columns.items():
            assert np.array_equal(column, there.scores[method].columns[name], equal_nan=True), (method, name)


@pytest.mark.slow
def test_a_part_that_fails_stops_no_other_and_is_done_next_time(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("state")
    with pytest.raises(ChromalabError, match=r"its node or process died \(1 of 3 parts failed\)") as caught:
        compare(folder, Backwards(dying=[1]), state)
    assert not isinstance(caught.value, UsageError)
    assert len((state / "done.jsonl").read_text().split('"photos"')) > 1
    rest = compare(folder, Backwards(), state).record
    whole = compare(folder).record
    assert rest.n_photos == whole.n_photos
    found, expected = (
        {method.name: method.metrics["mae"].mean for method in record.methods} for record in (rest, whole)
    )
    assert found == pytest.approx(expected)


def test_a_resumed_film_keeps_the_order_of_its_frames(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (photo_files, distribute):
        monkeypatch.setattr(module, "PART", 4)
    rng = np.random.default_rng(0)
    for index in range(12):
        frame = np.clip(6 * index + rng.integers(0, 60, (24, 24, 3)), 0, 255).astype(np.uint8)
        for name in ("preds", "target"):
            write_png(tmp_path / name / f"{index:02}.png", frame)
    state = tmp_path_factory.mktemp("state")
    frames = replace(SETTINGS, metrics=("mae", "colorfulness", "cdc"), video=True, bounds=False)

    def scored(executor: Executor | None = None, state: Path | None = None) -> ComparisonRecord:
        settings = replace(frames, state=state)
        methods = {"preds": tmp_path / "preds"}
        return compare_folders(methods, target=tmp_path / "target", settings=settings, executor=executor).record

    with pytest.raises(ChromalabError, match="1 of 3 parts failed"):
        scored(Backwards(dying=[1]), state)
    assert scored(Backwards(), state).methods == scored().methods


def test_other_nodes_take_no_part() -> None:
    settings = EvaluatorSettings("chromalab-v1", ("mae",), frozenset({"target"}))
    right = fingerprint(settings.build())
    assert score_part(ScoringTask(settings, right, ())) == []
    with pytest.raises(UsageError, match="has other weights than the sender"):
        score_part(ScoringTask(settings, (*right, ("alexnet", "0" * 64)), ()))
    with pytest.raises(UsageError, match=r"has chromalab .*, the sender 0\.0\.0: install the same"):
        score_part(ScoringTask(settings, right, (), version="0.0.0"))

"""Evaluation of several methods: paired differences, protocols, notes, and resuming."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.stats
from skimage.data import astronaut, coffee

from chromalab.core.errors import ConfigError, UnknownNameError, UsageError
from chromalab.evaluation.folders import EvaluationSettings, compare_folders
from chromalab.evaluation.records import ComparisonRecord
from chromalab.evaluation.scoring import Evaluator
from chromalab.photo.reading import list_photos, read_photo
from chromalab.photo.writing import write_png
from tests.evaluation.variants import write_variants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chromalab.evaluation.scores import Comparison

pytestmark = pytest.mark.slow

CHEAP = ("mae", "psnr", "psnr_ab", "ssim", "lightness_error", "delta_e_2000", "chroma", "delta_colorfulness")
SETTINGS = EvaluationSettings(metrics=CHEAP, device="cpu", threads=1)


@pytest.fixture(autouse=True)
def no_trunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))


@pytest.fixture
def methods(tmp_path: Path) -> dict[str, Path]:
    """Return three made-up methods on 24 crops of two photographs."""
    crops = {
        f"{name}{index:02}": np.ascontiguousarray(
            photo[20 * index : 20 * index + 40, 100 + 9 * index : 150 + 9 * index]
        )
        for name, photo in (("a", astronaut()), ("c", coffee()))
        for index in range(12)
    }
    return write_variants(tmp_path, crops)


def compare(methods: dict[str, Path], settings: EvaluationSettings = SETTINGS) -> Comparison:
    (folder,) = {path.parent for path in methods.values()}
    return compare_folders(methods, target=folder / "target", settings=settings)


def test_methods_rank_as_they_should(methods: dict[str, Path], tmp_path: Path) -> None:
    record = compare(methods).record
    assert [method.name for method in record.methods] == ["grey", *methods, "truth"]
    means = {method.name: {name: summary.mean for name, summary in method.metrics.items()} for method in record.methods}
    for metric in ("mae", "delta_e_2000"):
        found = {name: means[name][metric] or 0.0 for name in means}
        assert 0 == found["truth"] < found["blurred"] < min(found["uncolored"], found["sepia"])
    assert means["uncolored"]["delta_e_2000"] == pytest.approx(means["grey"]["delta_e_2000"], rel=1e-3)
    assert means["grey"]["chroma"] == pytest.approx(0, abs=0.02)
    won = {(row.first, row.second): row.winner for row in record.differences if row.metric == "delta_e_2000"}
    assert won["uncolored", "blurred"] == won["sepia", "blurred"] == "blurred"
    record.save(tmp_path / "result.json")
    assert ComparisonRecord.load(tmp_path / "result.json") == record


def test_differences_are_paired_t_tests_with_holms_correction(methods: dict[str, Path]) -> None:
    comparison = compare(methods)
    rows = {(row.first, row.second): row for row in comparison.record.differences if row.metric == "mae"}
    assert list(rows) == list(itertools.combinations(methods, 2))
    for (first, second), row in rows.items():
        columns = [comparison.scores[name].columns["mae"] for name in (first, second)]
        theirs = scipy.stats.ttest_rel(*columns)
        interval = theirs.confidence_interval(0.95)
        assert row.mean == pytest.approx(np.mean(columns[0] - columns[1]))
        assert (row.p, row.ci_low, row.ci_high) == pytest.approx((theirs.pvalue, interval.low, interval.high))
    smallest = min(rows.values(), key=lambda row: row.p or 0)
    assert smallest.p_holm == pytest.approx(min(1.0, 3 * (smallest.p or 0)))
    closer = next(row for row in comparison.record.differences if row.metric == "chroma" and row.second == "blurred")
    truth = comparison.scores["blurred"].truth["chroma"]
    ours, theirs = (np.abs(comparison.scores[name].columns["chroma"] - truth) for name in ("uncolored", "blurred"))
    assert closer.mean == pytest.approx(np.mean(ours - theirs))
    sets = next(row for row in comparison.record.differences if row.metric == "delta_colorfulness")
    assert sets.p is not None


def test_identical_images_are_no_test(methods: dict[str, Path]) -> None:
    record = compare({**methods, "copy": methods["sepia"].parent / "target"}).record
    row = next(row for row in record.differences if row.metric == "psnr" and row.second == "copy")
    assert (row.mean, row.winner) == (None, None)
    assert row.reason == "infinite for some photos: identical to their target"


@pytest.mark.parametrize(("count", "winner"), [(2, None), (5, None), (6, "near")])
def test_few_photos_with_one_difference_are_no_test(tmp_path: Path, count: int, winner: str | None) -> None:
    colors = {"target": (200, 200, 200), "near": (210, 190, 190), "far": (40, 50, 60)}
    for name, color in colors.items():
        for index in range(count):
            write_png(tmp_path / name / f"{index}.png", np.full((20, 20, 3), color, dtype=np.uint8))
    methods = {name: tmp_path / name for name in ("near", "far")}
    (row,) = compare(methods, replace(SETTINGS, metrics=["mae"])).record.differences
    assert row.winner == winner
    if winner is None:
        assert (row.p, row.ci_low) == (None, None)
        assert row.reason == f"the difference is the same for all {count} photos, and a test of that needs at least 6"
    same = compare({"near": tmp_path / "near", "copy": tmp_path / "near"}, replace(SETTINGS, metrics=["mae"]))
    assert same.record.differences[0].p == 1


def test_only_photos_that_all_have_are_compared(methods: dict[str, Path]) -> None:
    (methods["sepia"] / "a00.png").unlink()
    (methods["blurred"] / "a01.png").write_text("no photo")
    write_png(methods["blurred"] / "a02.png", np.zeros((9, 9, 3), dtype=np.uint8))
    comparison = compare(methods)
    assert comparison.record.n_photos == 21
    reported = {left.name: left.reason for left in comparison.record.left_out}
    assert reported["a00"] == "sepia has no file of that name"
    assert reported["a01"].startswith("the prediction of blurred a01.png cannot be read")
    assert "the prediction of blurred has 9x9 px and the target 50x40" in reported["a02"]
    assert not comparison.record.is_complete
    assert len({table.photos for table in comparison.scores.values()}) == 1


def test_without_truth_only_reference_free_metrics_are_computed(methods: dict[str, Path]) -> None:
    settings = replace(SETTINGS, metrics=None, bounds=False)
    record = compare_folders({"m": methods["sepia"]}, grey=methods["uncolored"], settings=settings).record
    (method,) = record.methods
    known = {name for name, summary in method.metrics.items() if summary.mean is not None}
    assert known == {"lightness_error", "colorfulness", "chroma", "gamut_share", "blotches"}
    assert "it needs the true photos" in (method.metrics["mae"].reason or "")
    assert method.metrics["chroma"].truth is None
    assert record.targets_sha256 is None


@pytest.mark.slow
def test_sets_can_be_compared_with_any_true_photographs(methods: dict[str, Path], tmp_path: Path) -> None:
    for index in range(34):
        write_png(tmp_path / "real" / f"{index}.png", coffee()[9 * index : 9 * index + 40, 200:250].copy())
    for index in range(10):
        write_png(methods["sepia"] / f"more{index}.png", coffee()[9 * index : 9 * index + 40, 20:70].copy())
        write_png(methods["uncolored"] / f"more{index}.png", coffee()[9 * index : 9 * index + 40, 20:70].copy())
    settings = replace(SETTINGS, metrics=["frechet_lite0", "kid_lite0", "chroma"], real=tmp_path / "real")
    record = compare_folders({"m": methods["sepia"]}, grey=methods["uncolored"], settings=settings).record
    assert record.real is not None
    assert "34 photos" in record.real
    assert (record.methods[0].metrics["frechet_lite0"].mean or 0) > 0
    assert record.methods[0].metrics["frechet_lite0"].n == 34


def test_lightness_is_that_of_the_grey_photographs_where_they_are_given(methods: dict[str, Path]) -> None:
    folder = methods["sepia"].parent
    dark = folder / "dark"
    for path in list_photos(methods["uncolored"]):
        write_png(dark / path.name, read_photo(path).rgb // 2)
    own = compare_folders({"m": methods["sepia"]}, target=folder / "target", settings=SETTINGS).record
    given = compare_folders({"m": methods["sepia"]}, target=folder / "target", grey=dark, settings=SETTINGS).record
    errors = [record.methods[1].metrics["lightness_error"].mean or 0.0 for record in (own, given)]
    assert errors[0] < 1
    assert errors[1] > 10
    assert given.methods[0].metrics["mae"].mean != own.methods[0].metrics["mae"].mean  # the bound is the given gray


def classified_as_red(photos: Path, folder: Path) -> EvaluationSettings:
    """Return settings with class 0 for every photo, and a classifier that finds it where red is the largest channel."""
    own, labels = folder / "red.py", folder / "labels.csv"
    own.write_text("def classify(rgb):\n    return rgb.mean(dim=(2, 3))\n", encoding="utf-8")
    rows = [f"{path.name},0" for path in list_photos(photos)]
    labels.write_text("photo,label\n" + "\n".join(rows), encoding="utf-8")
    return replace(SETTINGS, metrics=["semantic_top1"], labels=labels, classifier=own)


def test_labels_give_the_class_of_each_photo(methods: dict[str, Path], tmp_path: Path) -> None:
    settings = classified_as_red(methods["sepia"], tmp_path)
    record = compare(methods, settings).record
    found = {method.name: method.metrics["semantic_top1"].mean for method in record.methods}
    assert found["sepia"] == 1  # the first channel, red, is the largest everywhere
    assert len(record.weights["classifier"]) == 64
    (tmp_path / "labels.csv").write_text("photo,label\na00,0\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="23 photos have no label; the first is 'a01'"):
        compare(methods, settings)
    (tmp_path / "labels.csv").write_text("photo,label\na00,cat\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2: a label must be a whole number, not 'cat'"):
        compare(methods, settings)
    (tmp_path / "labels.csv").write_text("name\na00\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="under the columns photo,label"):
        compare(methods, settings)


def test_labels_need_no_ground_truth(methods: dict[str, Path], tmp_path: Path) -> None:
    settings = classified_as_red(methods["sepia"], tmp_path)
    record = compare_folders({"m": methods["sepia"]}, grey=methods["uncolored"], settings=settings).record
    assert record.methods[0].metrics["semantic_top1"].mean == 1


def test_frames_are_compared_in_one_folder_only(methods: dict[str, Path]) -> None:
    settings = replace(SETTINGS, metrics=["cdc"], video=True)
    found = compare(methods, settings).record.methods
    assert all(method.metrics["cdc"].mean is not None for method in found)
    for folder in (*methods.values(), methods["sepia"].parent / "target"):
        (folder / "scene").mkdir()
        (folder / "a00.png").rename(folder / "scene" / "a00.png")
    with pytest.raises(UsageError, match="lie in one folder, not in 2"):
        compare(methods, settings)


def test_wrong_names_are_refused(methods: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="a method cannot be named 'truth'"):
        compare({"truth": methods["sepia"]})
    with pytest.raises(UnknownNameError, match="did you mean 'chapter'"):
        compare(methods, replace(SETTINGS, protocol="chaptr"))
    with pytest.raises(UsageError, match="no method was given"):
        compare_folders({}, target=methods["sepia"].parent / "target")


def test_frames_out_of_the_order_of_their_numbers_are_noted(methods: dict[str, Path]) -> None:
    settings = replace(SETTINGS, metrics=["cdc"], video=True)
    assert compare(methods, settings).record.notes == []
    for folder in (*methods.values(), methods["sepia"].parent / "target"):
        for index, path in enumerate(list_photos(folder)):
            path.rename(folder / f"f{index}.png")
    (note,) = compare(methods, settings).record.notes
    assert "in which 'f19' comes before 'f2'; if that is not their order, write the numbers" in note


def test_real_photos_beside_targets_are_refused(methods: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="sets are compared with the targets; omit --real"):
        compare(methods, replace(SETTINGS, real=methods["blurred"]))


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_a_stopped_evaluation_goes_on_and_ends_the_same(
    methods: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    monkeypatch.setattr("chromalab.evaluation.photo_files.BATCH_PIXELS", 40 * 50 * 5)
    (methods["blurred"] / "a07.png").write_text("no photo")
    settings = replace(SETTINGS, metrics=[*CHEAP, "perceptual_lite0", "frechet_lite0"], state=tmp_path / "state")
    whole = compare(methods, replace(settings, state=None))
    score_batch = Evaluator.score_batch
    scored_batches: list[object] = []

    def stop_after(self: Evaluator, batch: list[object]) -> object:
        if len(scored_batches) == batches:
            raise _StoppedError
        scored_batches.append(batch)
        return score_batch(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluator, "score_batch", stop_after)
    with pytest.raises(_StoppedError):
        compare(methods, settings)
    monkeypatch.setattr(Evaluator, "score_batch", score_batch)
    damage(tmp_path / "state")
    again = compare(methods, settings)
    assert again.record == whole.record
    for name, table in whole.scores.items():
        for metric, column in table.columns.items():
            assert np.array_equal(again.scores[name].columns[metric], column, equal_nan=True)
    monkeypatch.setattr(Evaluator, "score_batch", stop_after)
    assert compare(methods, settings).record == whole.record  # all is done: nothing is scored again


def damage(state: Path) -> None:
    """Do to the files what a stop in the middle of writing does."""
    for path in files(state):
        if path.suffix in {".f32", ".f64"}:
            path.write_bytes(path.read_bytes() + b"half a row")
    with (state / "done.jsonl").open("ab") as file:
        file.write(b'{"photos": ["a0')


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def test_other_photos_or_rules_begin_anew(
    methods: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(SETTINGS, state=tmp_path / "state")
    compare(methods, settings)
    write_png(methods["sepia"] / "a00.png", np.zeros((40, 50, 3), dtype=np.uint8))
    changed = compare(methods, settings)
    assert "starting over" in capsys.readouterr().err
    assert changed.record == compare(methods, replace(settings, state=None)).record
    compare(methods, replace(settings, metrics=["mae"]))
    assert "starting over" in capsys.readouterr().err

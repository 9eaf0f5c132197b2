"""Evaluation of one folder of predictions: values, photos left out, and the record."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skimage.metrics
import torch
from skimage.data import astronaut
from skimage.io import imsave

from chromalab.core.errors import UnknownNameError, UsageError
from chromalab.evaluation.folders import EvaluationSettings, compare_folders, evaluate, single_record
from chromalab.evaluation.records import ComparisonRecord, EvaluationRecord
from chromalab.evaluation.scores import write_photo_scores
from chromalab.metrics.registry import METRICS
from chromalab.photo.writing import write_png

if TYPE_CHECKING:
    from pathlib import Path

    from chromalab.evaluation.folders import Evaluation

CHEAP = ["mae", "psnr", "ssim", "colorfulness"]


@pytest.fixture(autouse=True)
def no_trunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))


def photo(index: int, height: int = 40, width: int = 48) -> np.ndarray:
    """Return one of many different crops of a photograph, (height, width, 3)."""
    top, left = 37 * index % 400, 53 * index % 400
    crop: np.ndarray = astronaut()[top : top + height, left : left + width].copy()
    return crop


def desaturated(rgb: np.ndarray, share: float = 0.5) -> np.ndarray:
    grey = rgb.mean(axis=-1, keepdims=True)
    preds: np.ndarray = np.rint(grey + share * (rgb - grey)).astype(np.uint8)
    return preds


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return predictions, some of another size than others, and their targets."""
    preds, targets = tmp_path / "preds", tmp_path / "targets"
    for index in range(6):
        rgb = photo(index, height=40 if index < 4 else 52)
        write_png(targets / f"{index}.png", rgb)
        write_png(preds / f"{index}.png", desaturated(rgb))
    return preds, targets


def scored(folders: tuple[Path, Path], metrics: list[str] | None = None) -> Evaluation:
    return evaluate(*folders, metrics=metrics or CHEAP, device="cpu", threads=1)


def test_values_are_those_of_each_pair(folders: tuple[Path, Path]) -> None:
    evaluation = scored(folders)
    assert evaluation.scores.photos == tuple("012345")
    values = evaluation.scores.columns["psnr"]
    for index in range(6):
        target = photo(index, height=40 if index < 4 else 52)
        expected = skimage.metrics.peak_signal_noise_ratio(target, desaturated(target))
        assert values[index] == pytest.approx(expected, abs=1e-5)
        assert (evaluation.scores.height_px[index], evaluation.scores.width_px[index]) == target.shape[:2]
    mean = values.mean()
    assert evaluation.record.metrics["psnr"].mean == pytest.approx(mean)
    assert evaluation.record.n_photos == 6
    assert evaluation.record.is_complete


def test_the_record_names_everything(folders: tuple[Path, Path], tmp_path: Path) -> None:
    record = scored(folders, [*CHEAP, "perceptual_lite0", "lpips_vgg", "frechet_lite0"]).record
    assert record.protocol == "chromalab-v1"
    assert list(record.metrics) == list(METRICS)
    assert record.metrics["mse"].reason == "not asked for"
    assert "chromalab weights add" in (record.metrics["lpips_vgg"].reason or "")
    assert record.metrics["frechet_lite0"].reason == "a Fréchet distance needs at least 30 photos, not 6"
    assert record.metrics["colorfulness"].truth is not None
    assert record.metrics["mae"].truth is None
    assert len(record.weights["efficientnet_lite0"]) == 64
    assert {"chromalab", "torch", "kornia"} <= set(record.versions)
    record.save(tmp_path / "result.json")
    assert EvaluationRecord.load(tmp_path / "result.json") == record


def refuse_constant(text: str) -> float:
    raise AssertionError(f"{text} is not JSON")


def test_identical_images_give_strict_json(folders: tuple[Path, Path], tmp_path: Path) -> None:
    _, targets = folders
    evaluation = evaluate(targets, targets, metrics=CHEAP, device="cpu", threads=1)
    evaluation.record.save(tmp_path / "result.json")
    metrics = json.loads((tmp_path / "result.json").read_text(), parse_constant=refuse_constant)["metrics"]
    assert metrics["psnr"]["mean"] is None
    assert metrics["psnr"]["reason"] == "infinite: 6 of 6 predictions are identical to their target"
    assert metrics["mae"] == {"mean": 0, "ci_low": 0, "ci_high": 0, "truth": None, "n": 6, "reason": None}
    assert metrics["ssim"]["mean"] == pytest.approx(1)
    assert metrics["colorfulness"]["mean"] == metrics["colorfulness"]["truth"]
    write_photo_scores(tmp_path / "photos.csv", evaluation.comparison.scores, name_methods=False)
    rows = list(csv.DictReader((tmp_path / "photos.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["photo"] for row in rows] == list("012345")
    assert all(math.isinf(float(row["psnr"])) for row in rows)


def test_photos_that_cannot_be_scored_are_listed_and_the_rest_is_scored(folders: tuple[Path, Path]) -> None:
    preds, targets = folders
    (preds / "0.png").write_text("no photo")
    (targets / "1.png").write_bytes((targets / "1.png").read_bytes()[:300])
    write_png(preds / "2.png", photo(2, height=39))
    write_png(preds / "only.png", photo(2))
    write_png(targets / "lonely.png", photo(2))
    shutil.copy(preds / "5.png", preds / "5.PNG.webp")
    record = scored(folders).record
    assert [pair.name for pair in record.skipped] == ["0", "1", "2"]
    assert "the prediction 0.png cannot be read" in record.skipped[0].reason
    assert "the target 1.png cannot be read" in record.skipped[1].reason
    assert "the prediction has 48x39 px and the target 48x40" in record.skipped[2].reason
    assert record.unmatched_preds == ["5.PNG.webp", "only.png"]
    assert record.unmatched_targets == ["lonely.png"]
    assert record.n_photos == record.metrics["mae"].n == 3
    assert not record.is_complete


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_names_that_are_not_utf8_are_written_with_escaped_bytes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    preds, targets = (folder.rename(tmp_path / os.fsdecode(folder.name.encode() + b"\xe9")) for folder in folders)
    strange = [os.fsdecode(name) for name in (b"M\xfcnchen.png", b"broken\xff.png", b"only\xe4.png")]
    for name in strange[:2]:
        shutil.copy(targets / "0.png", targets / name)
    shutil.copy(preds / "0.png", preds / strange[0])
    (preds / strange[1]).write_text("no photo")
    shutil.copy(preds / "0.png", preds / strange[2])
    settings = EvaluationSettings(metrics=CHEAP, device="cpu", threads=1)
    comparison = compare_folders({"m\udce9": preds}, target=targets, grey=targets, settings=settings)
    comparison.record.save(tmp_path / "result.json")
    record = ComparisonRecord.load(tmp_path / "result.json")
    assert (record.target, record.grey) == (str(tmp_path / r"targets\xe9"),) * 2
    (method,) = (method for method in record.methods if not method.is_bound)
    assert (method.name, method.folder) == (r"m\xe9", str(tmp_path / r"preds\xe9"))
    assert method.unmatched_preds == [r"only\xe4.png"]
    (skipped,) = record.left_out
    assert skipped.name == r"broken\xff"
    assert r"the prediction broken\xff.png cannot be read" in skipped.reason
    write_photo_scores(tmp_path / "photos.csv", comparison.scores, name_methods=True)
    rows = csv.DictReader((tmp_path / "photos.csv").read_text(encoding="utf-8").splitlines())
    assert (r"m\xe9", r"M\xfcnchen") in {(row["method"], row["photo"]) for row in rows}
    single_record(comparison).save(tmp_path / "single.json")


def test_a_broken_link_leaves_out_its_photo_alone(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for index, folder in enumerate(folders):
        (folder / f"{index}.png").unlink()
        (folder / f"{index}.png").symlink_to(tmp_path / "nowhere.png")
    record = scored(folders).record
    assert [pair.name for pair in record.skipped] == ["0", "1"]
    assert "the prediction 0.png cannot be read" in record.skipped[0].reason
    assert record.n_photos == 4
    settings = EvaluationSettings(metrics=["delta_colorfulness"], real=folders[1], device="cpu", threads=1)
    comparison = compare_folders({"m": folders[0]}, grey=folders[1], settings=settings)
    assert "6 photos" in (comparison.record.real or "")


@pytest.mark.slow
@pytest.mark.parametrize("threads", [2, 5])
def test_the_number_of_threads_changes_nothing(folders: tuple[Path, Path], threads: int) -> None:
    metrics, before = [*CHEAP, "perceptual_lite0"], torch.get_num_threads()
    one, many = (evaluate(*folders, metrics=metrics, device="cpu", threads=n) for n in (1, threads))
    assert one.record == many.record
    for name, column in one.scores.columns.items():
        assert np.array_equal(column, many.scores.columns[name])
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_a_target_without_a_prediction_does_not_make_the_rest_incomplete(folders: tuple[Path, Path]) -> None:
    preds, _ = folders
    (preds / "0.png").unlink()
    assert scored(folders).record.is_complete


def test_no_photo_that_can_be_scored_is_an_error(folders: tuple[Path, Path]) -> None:
    preds, _ = folders
    for path in preds.iterdir():
        path.write_text("no photo")
    with pytest.raises(UsageError, match=r"scored; the first is 0: the prediction 0\.png cannot be read"):
        scored(folders)


@pytest.mark.slow
def test_a_one_band_prediction_is_a_grey_image(folders: tuple[Path, Path]) -> None:
    preds, targets = folders
    for index in range(6):
        target = photo(index, height=40 if index < 4 else 52)
        imsave(preds / f"{index}.png", np.rint(target.mean(axis=-1)).astype(np.uint8), check_contrast=False)
    record = evaluate(preds, targets, metrics=CHEAP, device="cpu", threads=1).record
    assert record.metrics["colorfulness"].mean == 0
    assert record.n_photos == 6


@pytest.mark.slow
def test_small_images_have_all_metrics_that_are_defined(tmp_path: Path) -> None:
    for index in range(3):
        write_png(tmp_path / "targets" / f"{index}.png", photo(index, 8, 9))
        write_png(tmp_path / "preds" / f"{index}.png", desaturated(photo(index, 8, 9)))
    record = scored((tmp_path / "preds", tmp_path / "targets")).record
    assert (record.metrics["ssim"].mean, record.metrics["ssim"].n) == (None, 0)
    assert record.metrics["ssim"].reason == "3 of 3 photos are smaller than 11 px"
    assert record.metrics["mae"].mean is not None


def test_the_table_has_the_registrys_order_and_empty_cells(tmp_path: Path) -> None:
    for index, side in enumerate((8, 20)):
        write_png(tmp_path / "targets" / f"{index}.png", photo(index, side, side))
        write_png(tmp_path / "preds" / f"{index}.png", desaturated(photo(index, side, side)))
    evaluation = scored((tmp_path / "preds", tmp_path / "targets"))
    write_photo_scores(tmp_path / "photos.csv", evaluation.comparison.scores, name_methods=False)
    header, small, large = csv.reader((tmp_path / "photos.csv").read_text(encoding="utf-8").splitlines())
    assert header == ["photo", "width_px", "height_px", "mae", "psnr", "ssim", "colorfulness"]
    assert small[:3] == ["0", "8", "8"]
    assert small[5] == ""
    assert float(large[5]) == evaluation.scores.columns["ssim"][1]


@pytest.mark.slow
def test_one_photo_has_means_without_intervals(folders: tuple[Path, Path]) -> None:
    preds, _ = folders
    for index in range(1, 6):
        (preds / f"{index}.png").unlink()
    mae = scored(folders).record.metrics["mae"]
    assert mae.mean is not None
    assert (mae.ci_low, mae.ci_high, mae.n, mae.reason) == (None, None, 1, "an interval needs at least 2 photos")


def test_wrong_metrics_and_devices_are_refused(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'ssim'"):
        scored(folders, ["sssim"])
    with pytest.raises(UsageError, match="the list of metrics is empty"):
        evaluate(*folders, metrics=[], device="cpu", threads=1)
    with pytest.raises(UsageError, match="chromalab weights add"):
        scored(folders, ["lpips_vgg"])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="cuda"):
        evaluate(*folders, metrics=CHEAP, device="cuda")

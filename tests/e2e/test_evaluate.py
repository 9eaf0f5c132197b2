"""`chromalab evaluate`: files, output and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from skimage.data import astronaut

from chromalab.evaluation.folders import EvaluationSettings, compare_folders
from chromalab.evaluation.records import ComparisonRecord
from chromalab.metrics.registry import METRICS
from chromalab.photo.reading import list_photos, read_photo
from chromalab.photo.writing import write_png
from tests.colorization.video.rgb_films import write_rgb_film
from tests.evaluation.variants import write_variants

if TYPE_CHECKING:
    from tests.e2e.conftest import Chromalab

COMMAND = Path(sys.executable).with_name("chromalab")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return six gray predictions and their targets."""
    preds, targets = tmp_path / "preds", tmp_path / "targets"
    for index in range(6):
        rgb = np.ascontiguousarray(astronaut()[40 * index : 40 * index + 40, 100:150])
        write_png(targets / f"{index}.png", rgb)
        write_png(preds / f"{index}.png", np.repeat(rgb.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1))
    return preds, targets


def chromalab_evaluate(*arguments: str | Path, weights: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CHROMALAB_WEIGHTS": str(weights), "COLUMNS": "100"}
    command = [str(COMMAND), "evaluate", *map(str, arguments), "--device", "cpu", "--threads", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


@pytest.mark.slow
def test_a_partly_broken_folder(folders: tuple[Path, Path], tmp_path: Path) -> None:
    preds, _ = folders
    (preds / "0.png").write_text("no photo")
    (preds / "stranger.png").touch()
    result, photos = tmp_path / "new" / "result.json", tmp_path / "new" / "photos.csv"
    done = chromalab_evaluate(*folders, "--json", result, "--csv", photos, weights=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "0: the prediction 0.png cannot be read" in done.stdout
    assert "stranger.png" in done.stdout
    assert "MAE" in done.stdout
    record = json.loads(result.read_text())
    assert record["protocol"] == "chromalab-v1"
    assert list(record["metrics"]) == list(METRICS)
    assert {"mean", "ci_low", "ci_high", "n", "reason"} <= set(record["metrics"]["mae"])
    assert record["metrics"]["mae"]["n"] == 5
    assert record["metrics"]["lpips_vgg"]["mean"] is None
    assert [pair["name"] for pair in record["skipped"]] == ["0"]
    header, *rows = photos.read_text().splitlines()
    assert header.startswith("photo,width_px,height_px,mae,mse,rmse,psnr,psnr_ab,ssim,")
    assert len(rows) == 5


@pytest.mark.slow
def test_a_complete_evaluation_exits_with_0(folders: tuple[Path, Path], tmp_path: Path) -> None:
    done = chromalab_evaluate(*folders, "--metrics", "mae, colorfulness", weights=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Colorfulness" in done.stdout
    assert "PSNR" not in done.stdout


@pytest.mark.slow
def test_wrong_use_prints_one_line_and_exits_with_2(folders: tuple[Path, Path], tmp_path: Path) -> None:
    done = chromalab_evaluate(*folders, "--metrics", "ssimm", weights=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: unknown metric 'ssimm'; did you mean 'ssim' or 'ms_ssim'?\n"


@pytest.mark.slow
def test_repeatedly_killed_evaluations_give_the_same_results(tmp_path: Path) -> None:
    photos = {f"p{index:02}": astronaut()[4 * index : 4 * index + 96, 100:228].copy() for index in range(60)}
    methods = write_variants(tmp_path, photos)
    arguments = [f"--method={name}={folder}" for name, folder in methods.items()]
    command = [str(COMMAND), "evaluate", *arguments, "--target", str(tmp_path / "target")]
    command += ["--metrics", "mae,ssim,blotches", "--out", str(tmp_path / "out"), "--device", "cpu", "--threads", "1"]
    environment = {**os.environ, "CHROMALAB_WEIGHTS": str(tmp_path)}
    done_file = tmp_path / "out" / "state" / "done.jsonl"
    for lines in (1, 3):  # killed as soon as so many batches are on disk
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        while process.poll() is None and (not done_file.exists() or done_file.read_bytes().count(b"\n") < lines):
            time.sleep(0.002)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    before = done_file.read_bytes().count(b"\n")
    again = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert again.returncode == 0, again.stderr
    assert before >= 3
    settings = EvaluationSettings(metrics=["mae", "ssim", "blotches"], device="cpu", threads=1)
    whole = compare_folders(methods, target=tmp_path / "target", settings=settings)
    record = ComparisonRecord.load(tmp_path / "out" / "evaluation.json")
    assert record == whole.record
    rows = (tmp_path / "out" / "photos.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + 5 * 60


@pytest.mark.slow
def test_variants_of_real_photographs_rank_as_expected(shared: Path, tmp_path: Path) -> None:
    """No color at all and one tint for all lose to blurred chroma under every metric that sees where colors are."""
    paths = list_photos(shared / "data" / "eval")[:32]
    methods = write_variants(tmp_path, {path.stem: read_photo(path).rgb[::2, ::2] for path in paths})
    names = ["mae", "psnr", "psnr_ab", "delta_e_2000", "auc", "hue_distance", "lightness_error", "perceptual_lite0"]
    settings = EvaluationSettings(metrics=[*names, "frechet_lite0"], device="cpu", threads=1)
    record = compare_folders(methods, target=tmp_path / "target", settings=settings).record
    won = {(row.metric, row.first, row.second): row.winner for row in record.differences}
    for name in ("mae", "psnr", "psnr_ab", "delta_e_2000", "auc", "hue_distance", "perceptual_lite0", "frechet_lite0"):
        assert won[name, "uncolored", "blurred"] == won[name, "sepia", "blurred"] == "blurred", name
    # One tint is further off than none: it adds errors where there were none, and the hue of most things is another.
    assert won["delta_e_2000", "uncolored", "sepia"] == "uncolored"
    assert won["mae", "uncolored", "sepia"] == "uncolored"
    means = {method.name: method.metrics for method in record.methods}
    for method in methods:
        assert (means[method]["lightness_error"].mean or 0) < 0.5  # all of them kept it, but for rounding and clipping


@pytest.mark.slow
def test_contradictory_options_are_refused(chromalab: Chromalab, folders: tuple[Path, Path]) -> None:
    preds, targets = folders
    for arguments, message in (
        ((), "give folders of predictions and ground truth"),
        ((preds,), "PREDS needs TARGETS"),
        ((preds, targets, "--method", f"a={preds}"), "not both"),
        (("--method", f"a={preds}"), "--method needs --target"),
        (("--method", "a", "--target", targets), "--method a is not NAME=DIR"),
        (
            ("--method", f"a={preds}", "--method", f"a={targets}", "--target", targets),
            "--method gives the name 'a' twice",
        ),
        ((preds, targets, "--protocol", "ddcolour"), "did you mean 'ddcolor'"),
        ((preds, targets, "--labels", preds / "none.csv"), "cannot be read"),
        ((preds, targets, "--target", targets), "TARGETS and --target both name the ground truth"),
    ):
        done = chromalab("evaluate", *arguments)
        assert (done.code, message in done.err) == (2, True), (arguments, done.err)
        assert done.err.count("\n") == 1


def test_a_set_of_plates_provides_gray_photos_and_caveats(chromalab: Chromalab, tmp_path: Path) -> None:
    for index in range(3):
        rgb = np.ascontiguousarray(astronaut()[40 * index : 40 * index + 40, 100:150])
        write_png(tmp_path / "plates" / f"{index}_rgb.png", rgb)
    done = chromalab("data", "plates", tmp_path / "plates", "--out", tmp_path / "set")
    assert done.code == 0, done.err
    done = chromalab("evaluate", tmp_path / "set" / "grey", tmp_path / "set", "--metrics", "lightness_error,mae")
    assert done.code == 0, done.err
    assert "compare hues with it" in done.out
    assert "prokudin-gorskii, gray from luma" in done.out


@pytest.mark.slow
def test_results_are_combined_in_a_table(chromalab: Chromalab, folders: tuple[Path, Path], tmp_path: Path) -> None:
    for name, protocol in (("a", "chromalab-v1"), ("b", "chromalab-v1"), ("c", "cic")):
        arguments = ("--metrics", "mae", "--protocol", protocol, "--json", tmp_path / f"{name}.json")
        assert chromalab("evaluate", *folders, *arguments, "--latex", tmp_path / "x.tex").code == 0
    done = chromalab("metrics", "table", tmp_path / "a.json", tmp_path / "b.json", "--csv", tmp_path / "t.csv")
    assert done.code == 0, done.err
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").count("\n") == 3
    assert "booktabs" in (tmp_path / "x.tex").read_text(encoding="utf-8")
    mixed = chromalab("metrics", "table", tmp_path / "a.json", tmp_path / "c.json")
    assert mixed.code == 2
    assert "the protocols are chromalab-v1 and cic" in mixed.err


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Return a film of six frames, astronaut.mkv."""
    photo = np.ascontiguousarray(astronaut()[:60, 100:180])
    return write_rgb_film(tmp_path / "astronaut.mkv", [photo] * 6)


def test_films_are_evaluated_frame_by_frame(chromalab: Chromalab, film: Path, tmp_path: Path) -> None:
    rows, result = tmp_path / "frames.csv", tmp_path / "result.json"
    options = ("--metrics", "mae,cdc,warp_error", "--device", "cpu", "--threads", "1", "--every", "2")
    done = chromalab("evaluate", film, film, *options, "--csv", rows, "--json", result)
    assert done.code == 0, done.err
    assert "Warp error" in done.out
    lines = rows.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "photo,time_s,width_px,height_px,mae,warp_error"
    assert [line.split(",")[0] for line in lines[1:]] == ["000000", "000002", "000004"]
    metrics = json.loads(result.read_text(encoding="utf-8"))["metrics"]
    assert metrics["mae"]["mean"] == 0
    assert metrics["warp_error"]["mean"] == metrics["warp_error"]["truth"]


@pytest.mark.slow
def test_films_that_cannot_be_compared_are_usage_errors(chromalab: Chromalab, film: Path, tmp_path: Path) -> None:
    long = write_rgb_film(tmp_path / "long.mkv", [np.zeros((60, 80, 3), dtype=np.uint8)] * 8)
    narrow = write_rgb_film(tmp_path / "narrow.mkv", [np.zeros((60, 64, 3), dtype=np.uint8)] * 6)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.mp4").write_text("no film", encoding="utf-8")
    cases = {
        long: "number of frames",
        narrow: "64x60",
        tmp_path / "folder": "is a film and",
        tmp_path / "text.mp4": "not a film",
        tmp_path / "missing.mp4": "missing.mp4",
    }
    for preds, message in cases.items():
        done = chromalab("evaluate", preds, film, "--metrics", "mae")
        assert done.code == 2, (preds, done.err)
        assert message in " ".join(done.err.split())
    alone = chromalab("evaluate", film)
    assert alone.code == 2
    assert "PREDS needs TARGETS" in " ".join(alone.err.split())
    folder = chromalab("evaluate", tmp_path / "folder", tmp_path / "folder", "--every", "2")
    assert folder.code == 2
    assert "--every" in folder.err

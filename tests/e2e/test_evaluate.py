"""`chromalab evaluate` as people run it: what it writes, what it prints, and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from chromalab.metrics.registry import METRICS
from chromalab.photo.writing import write_png

COMMAND = Path(sys.executable).with_name("chromalab")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return six grey predictions and their targets."""
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
    assert "0: the prediction 0.png can't be read" in done.stdout
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
    assert header.startswith("photo,width_px,height_px,mae,mse,psnr,ssim,")
    assert len(rows) == 5


@pytest.mark.slow
def test_everything_in_order_exits_with_zero(folders: tuple[Path, Path], tmp_path: Path) -> None:
    done = chromalab_evaluate(*folders, "--metrics", "mae, colorfulness", weights=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Colorfulness" in done.stdout
    assert "PSNR" not in done.stdout


@pytest.mark.slow
def test_wrong_use_is_one_line_and_exits_with_two(folders: tuple[Path, Path], tmp_path: Path) -> None:
    done = chromalab_evaluate(*folders, "--metrics", "psnrr", weights=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: unknown metric 'psnrr'; did you mean 'psnr'?\n"

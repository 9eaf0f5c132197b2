"""`chromalab colorize`, `export` and `serve` from the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pyvips
from PIL import Image
from skimage.color import rgb2lab

from chromalab.colorization.journal import read_journal
from chromalab.core.files import sha256_file
from tests.colorization.models import constant_ab
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Chromalab


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "in" / "it's é.png", picture(120, 180))


def test_one_photo_becomes_exactly_one_file(chromalab: Chromalab, photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "x.png"
    done = chromalab("colorize", photo, "-o", target, "--json", tmp_path / "x.json")
    assert done.code == 0, done.err
    assert [path.name for path in target.parent.iterdir()] == ["x.png"]
    before, after = (rgb2lab(np.asarray(Image.open(path))) for path in (photo, target))
    assert np.abs(before[..., 0] - after[..., 0]).max() < 0.5
    (line,) = json.loads((tmp_path / "x.json").read_text())["photos"]
    assert line["status"] == "done"
    assert {"seconds", "lightness_error", "gamut_share"} <= set(line)
    again = chromalab("colorize", photo, "-o", target)
    assert again.code == 2
    assert "--overwrite" in again.err


def test_a_folder_with_a_report(chromalab: Chromalab, photo: Path, tmp_path: Path) -> None:
    (photo.parent / "bad.jpg").write_text("no photo")
    done = chromalab("colorize", photo.parent, "-o", f"{tmp_path}/out/", "--report", "--samples", "1")
    assert done.code == 1
    assert "1 colorized, 1 failed; model flagship" in done.out
    assert "its content is not a JPEG" in done.err
    assert (tmp_path / "out" / "report" / "index.html").is_file()
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_file()} == {
        "it's é.png", "it's é.png.json", "it's é.v1.png", "it's é.uncertainty.png",
    }  # fmt: skip
    counted = chromalab("colorize", photo.parent, "-o", f"{tmp_path}/out/", "--dry-run")
    assert "1 finished already" in counted.out
    assert "1 to colorize" in counted.out


@pytest.mark.slow
def test_versions_of_another_seed_are_not_taken_for_new(chromalab: Chromalab, photo: Path, tmp_path: Path) -> None:
    command = ("colorize", photo, "-o", f"{tmp_path}/out/", "--samples", "1", "--seed")
    assert "not replaced" not in chromalab(*command, "0").out
    again = chromalab(*command, "7")
    assert "0 files written beside the outputs" in again.out
    assert "not replaced: 2 versions and maps that existed already" in again.out
    assert "pass --overwrite to replace them" in again.out
    assert "2 files written beside the outputs" in chromalab(*command, "7", "--overwrite").out


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ("PHOTO", "-o", "closed/y/", "--dry-run"),
            "cannot read the journal in closed/y/.chromalab: permission denied",
        ),
        (("PHOTO", "-o", "closed/y.abc"), "closed/y.abc ends like a file"),
        (("PHOTO", "-o", "out/", "--reference", "closed/x.png"), "cannot read the reference closed/x.png: permission"),
        (("PHOTO", "-o", "out/", "--model", "closed/x.onnx"), "closed/x.onnx can't be read: permission denied"),
        (("closed/f_%05d.png", "-o", "out/"), "no file matches"),
        (("PHOTO", "-o", "out/", "--reference", "x" * 300), "file name too long"),
        (("PHOTO", "-o", "out/", "--model", "x" * 300 + ".onnx"), "file name too long"),
        (("PHOTO", "-o", "x" * 300 + ".abc"), "ends like a file"),
        (("PHOTO", "-o", "x" * 300 + "/", "--dry-run"), "file name too long"),
        (("PHOTO", "-o", "out/", "--options", "x" * 300), "file name too long"),
    ],
)
def test_paths_that_cannot_be_opened_are_reported(
    chromalab: Chromalab,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    permissions: None,
    command: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(photo.parent)
    (photo.parent / "closed").mkdir(mode=0)
    done = chromalab("colorize", *(str(photo) if part == "PHOTO" else part for part in command))
    (photo.parent / "closed").chmod(0o755)
    assert (done.code, done.out) == (2, "")
    assert words in done.err.lower().replace(str(photo).lower(), "")
    assert done.err.count("\n") == 1


def test_a_failed_photo_gets_no_versions(chromalab: Chromalab, photo: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "out" / photo.name, picture(seed=5))
    done = chromalab("colorize", photo, "-o", f"{tmp_path}/out/", "--samples", "1")
    assert done.code == 1
    assert "0 files written beside the outputs" in done.out
    assert sorted(path.name for path in other.parent.iterdir()) == [".chromalab", photo.name]


@pytest.mark.slow
def test_options(chromalab: Chromalab, photo: Path, tmp_path: Path) -> None:
    hints = tmp_path / "hints.json"
    hints.write_text('{"hints": [{"x": 90, "y": 60, "color": "#0000ff"}]}')
    rgba = np.zeros((120, 180, 4), np.uint8)
    rgba[50:70, 80:100] = (255, 0, 0, 255)
    painted = save(tmp_path / "hints.png", rgba)
    plain = ("colorize", photo, "--overwrite", "-o", tmp_path / "o.png")
    results = []
    for extra in (
        (), ("--saturation", 0), ("--hint", "50%,50%=#0000ff"), ("--hints", hints), ("--hints", painted),
        ("--warmth", 30), ("--scales", "0.75,1.5"), ("--keep-tone",), ("--label", "Colors inferred"),
    ):  # fmt: skip
        done = chromalab(*plain, *map(str, extra))
        assert done.code == 0, done.err
        results.append(np.asarray(Image.open(tmp_path / "o.png"), dtype=int))
    for number, result in enumerate(results[1:], start=1):
        assert np.abs(result - results[0]).max() > 5, number
    assert np.array_equal(results[2], results[3])
    chromalab(*plain, "--source-type", "enhanced")
    assert b"algorithmicallyEnhanced" in pyvips.Image.new_from_file(str(tmp_path / "o.png")).get("xmp-data")


@pytest.mark.slow
def test_references(chromalab: Chromalab, photo: Path, tmp_path: Path) -> None:
    """The photo in color as its own reference gives its colors, and its name and hash are in the record."""
    plain, colored = tmp_path / "plain.png", tmp_path / "colored.png"
    assert chromalab("colorize", photo, "-o", plain).code == 0
    done = chromalab("colorize", photo, "-o", colored, "--reference", photo, "--sidecar")
    assert done.code == 0, done.err
    truth, without, with_reference = (rgb2lab(np.asarray(Image.open(path))) for path in (photo, plain, colored))
    assert np.abs(with_reference - truth).mean() < np.abs(without - truth).mean() / 2
    record = json.loads((tmp_path / "colored.png.json").read_text())
    assert record["parameters"] == {"references": [{"file": photo.name, "sha256": sha256_file(photo)}]}


def test_wrong_references_stop_the_command_before_any_photo(chromalab: Chromalab, photo: Path, tmp_path: Path) -> None:
    gray = save(tmp_path / "gray.png", np.tile(np.arange(100, dtype=np.uint8), (50, 1)))
    for reference, words in ((tmp_path / "none.jpg", "no such file"), (gray, "gray.png has no colors to take")):
        done = chromalab("colorize", photo.parent, "-o", f"{tmp_path}/out/", "--reference", reference)
        assert done.code == 2
        assert words in done.err
    references: list[str | Path] = ["--reference", photo] * 9
    many = chromalab("colorize", photo.parent, "-o", f"{tmp_path}/out/", *references)
    assert many.code == 2
    assert "limit of 8" in many.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("https://x.org/a.jpg", "-o", "out/"), "photos are never fetched"),
        (("nothing.jpg", "-o", "out/"), "no file or folder"),
        (("IN", "-o", "out/", "--model", "flagshop"), "did you mean 'flagship'"),
        (("IN", "-o", "out/", "--hint", "1,2=red"), "is not a hint"),
        (("IN", "-o", "out/", "--scales", "1,x"), "numbers separated by commas"),
        (("IN", "-o", "out/", "--hints", "nope.png"), "cannot read the hints in nope.png: no such file"),
        (("IN", "-o", "out/", "--format", "gif"), "gif is no file type of colorized photos"),
        (("IN", "-o", "out/x.jpgg"), "x.jpgg ends like a file"),
        (("IN", "-o", "out/", "--device", "tpu"), "error: unknown device"),
        (("IN", "-o", "out/", "--codec", "h264"), "--codec is for films"),
        (("IN", "-o", "out/", "--samples", "2", "--model", "l1"), "no distribution"),
        (("IN", "-o", "one.png", "--report"), "output folder"),
        (("IN", "-o", "out/", "--max-megapixels", "inf"), "error: --max-megapixels inf: expected a finite number"),
    ],
)
def test_wrong_use(
    chromalab: Chromalab, photo: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(photo.parents[1])
    done = chromalab("colorize", *(str(photo) if argument == "IN" else argument for argument in arguments))
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err
    assert not list((photo.parents[1] / "out").glob("*"))


@pytest.mark.parametrize("option", ["--max-megabytes", "--max-megapixels"])
def test_limits_of_the_server_are_finite(chromalab: Chromalab, option: str) -> None:
    pytest.importorskip("fastapi", reason="the page needs the extra [serve]")
    done = chromalab("serve", option, "inf")
    assert done.code == 2
    assert done.err.startswith(f"error: {option} inf: expected a finite number")


def test_versions_in_the_place_of_outputs_stop_the_command_before_any_photo(
    chromalab: Chromalab, photo: Path, tmp_path: Path
) -> None:
    save(photo.parent / f"{photo.stem}.v1.png", picture())
    done = chromalab("colorize", photo.parent, "-o", f"{tmp_path}/out/", "--samples", "1", "--overwrite")
    assert done.code == 2
    assert "colorize them into two folders, or without versions" in done.err
    assert not (tmp_path / "out").exists()


WITHOUT = """
import sys

AWAY = "torch kornia lightning_fabric torchmetrics skimage sklearn matplotlib safetensors PIL onnx tensorboard".split()


class Away:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in [*AWAY, "fastapi", "starlette", "uvicorn"]:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


sys.meta_path.insert(0, Away())
from chromalab.cli.main import run

run()
"""
"""Runs `chromalab` without the packages of the extras, as after a plain `pip install chromalab`."""


@pytest.mark.slow
def test_colorizing_does_not_need_the_extras(photo: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run("colorize", str(photo), "-o", str(tmp_path / "o" / "x.jpg"))
    assert "1 colorized" in done.stdout, done.stderr
    reported = run("colorize", str(photo), "-o", f"{tmp_path}/r/", "--report", "--samples", "1")
    assert reported.returncode == 0, reported.stderr
    served = run("serve")
    assert served.returncode == 2
    assert "chromalab[serve]" in served.stderr
    for command in ("list losses", "loss show l1", "train --loss l1 --out t", "evaluate a b", "weights fetch vgg16"):
        lab = run(*command.split())
        assert (lab.returncode, lab.stdout) == (2, ""), command
        assert re.fullmatch(r"error: this command needs the package \w+: .*'chromalab\[lab\]'\n", lab.stderr), (
            lab.stderr
        )


@pytest.mark.slow
def test_a_repeatedly_killed_batch_is_complete(tmp_path: Path) -> None:
    """Kill -9 in a loop over 120 photos: nothing is lost, nothing is done twice, nothing is half-written."""
    for number in range(120):
        save(tmp_path / "in" / f"{number:03d}.jpg", picture(60, 90, seed=number))
    model = constant_ab(tmp_path / "brown.onnx", 12, 20)
    command = [sys.executable, "-c", "from chromalab.cli.main import run; run()", "colorize", str(tmp_path / "in")]
    command += ["-o", f"{tmp_path}/out/", "--model", str(model), "--workers", "2"]
    out = tmp_path / "out"
    times: dict[str, int] = {}
    kills = 0
    while True:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        before = len(list(out.glob("*.jpg")))
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(out.glob("*.jpg"))) >= before + 25 and kills < 3:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.01)
        said, _ = process.communicate()
        for path in out.glob("*.jpg"):
            stamp = path.stat().st_mtime_ns
            assert times.setdefault(path.name, stamp) == stamp, f"{path.name} was done twice"
            Image.open(path).load()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
    assert kills >= 2
    assert "0 failed" in said
    assert "finished before" in said
    assert len(times) == 120
    assert set(read_journal(out).lines) == set(times)
    assert all((out / f"{name}.json").is_file() for name in times)
    assert not [path for path in out.iterdir() if path.suffix in {".part", ".spool"}]


@pytest.mark.slow
def test_from_training_to_a_colorized_photo(chromalab: Chromalab, photo: Path, tmp_path: Path) -> None:
    assert chromalab("train", "--loss", "l2", "--out", tmp_path / "run", "--smoke").code == 0
    done = chromalab("export", tmp_path / "run", "-o", tmp_path / "mine.onnx", "--name", "mine")
    assert done.code == 0, done.err
    assert chromalab("colorize", photo, "-o", tmp_path / "o.png", "--model", tmp_path / "mine.onnx").code == 0
    shipped = tmp_path / "run" / "model.onnx"
    assert shipped.read_bytes() == (tmp_path / "mine.onnx").read_bytes()
    assert chromalab("colorize", photo, "-o", tmp_path / "again.png", "--model", shipped).code == 0
    first, again = (np.asarray(Image.open(tmp_path / name)) for name in ("o.png", "again.png"))
    assert np.array_equal(first, again)
    versions = chromalab("colorize", photo, "-o", f"{tmp_path}/v/", "--model", tmp_path / "mine.onnx", "--samples", "2")
    assert versions.code == 2
    assert "no distribution" in versions.err


STUDY = """
name: tiny
title: A tiny study
objectives: {l2: l2}
seeds: [0]
training: {crop_px: 32, batch_size: 2, images: 4, network: {encoder: vgg16, pretrained: false, width: 0.125}}
pictured: 1
"""


@pytest.mark.slow
def test_a_run_of_a_study_is_exported(chromalab: Chromalab, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    out = tmp_path / "out"
    assert chromalab("compare", "run", tmp_path / "tiny.yaml", "--out", out).code == 0
    assert chromalab("export", out, "-o", tmp_path / "mine.onnx").code == 0
    assert chromalab("export", out / "runs" / "l2-lab-s0", "-o", tmp_path / "again.onnx").code == 0
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "mine.onnx").read_bytes()
    assert chromalab("colorize", photo, "-o", tmp_path / "o.png", "--model", tmp_path / "mine.onnx").code == 0


@pytest.mark.slow
def test_a_folder_that_is_not_a_run_cannot_be_exported(chromalab: Chromalab, tmp_path: Path) -> None:
    assert "no finished run" in chromalab("export", tmp_path, "-o", tmp_path / "m.onnx").err
    assert "must end in .onnx" in chromalab("export", tmp_path, "-o", tmp_path / "m.pt").err


@pytest.mark.slow
def test_archive_photos(chromalab: Chromalab, shared: Path, tmp_path: Path) -> None:
    """Negatives and plates of the archive come out at their size, with their lightness."""
    done = chromalab("colorize", shared / "data" / "archive", "-o", f"{tmp_path}/out/", "--json", tmp_path / "a.json")
    assert done.code == 0, done.err
    photos = json.loads((tmp_path / "a.json").read_text())["photos"]
    assert len(photos) == 62
    assert max(photo["lightness_error"] for photo in photos) < 0.5
    assert min(photo["mean_chroma"] for photo in photos) > 1

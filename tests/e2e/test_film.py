"""`chromalab colorize` with films, image sequences, and folders that mix them with photos."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.colorization.video.clips import decoded, frame_of, gray_clip, lumas, write_clip
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Chromalab


def test_one_film_becomes_one_file_with_a_record(chromalab: Chromalab, tmp_path: Path) -> None:
    source = gray_clip(tmp_path / "a.mp4", 6, "libx264")
    os.utime(source, (1_000_000_000, 1_000_000_000))
    target = tmp_path / "out" / "b.mp4"
    done = chromalab("colorize", source, "-o", target, "--sidecar", "--keep-times", "--json", tmp_path / "x.json")
    assert done.code == 0, done.err
    assert {path.name for path in target.parent.iterdir()} == {"b.mp4", "b.mp4.json"}
    assert target.stat().st_mtime == 1_000_000_000
    assert len(decoded(target)) == 6
    record = json.loads((target.parent / "b.mp4.json").read_text())
    (line,) = json.loads((tmp_path / "x.json").read_text())["photos"]
    assert record["frames"] == line["frames"] == 6
    assert "inferred" in record["statement"]
    again = chromalab("colorize", source, "-o", target)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert chromalab("colorize", source, "-o", target, "--overwrite").code == 0


@pytest.mark.slow
def test_a_folder_of_photos_films_and_texts(chromalab: Chromalab, tmp_path: Path) -> None:
    save(tmp_path / "in" / "p.png", picture(60, 80))
    (tmp_path / "in" / "sub").mkdir()
    gray_clip(tmp_path / "in" / "sub" / "f.MP4", 3, "libx264", container={}).rename(tmp_path / "in" / "sub" / "g.MP4")
    gray_clip(tmp_path / "in" / "old.avi", 3, "mpeg4")
    (tmp_path / "in" / "broken.mov").write_text("no film")
    (tmp_path / "in" / "notes.txt").write_text("notes")
    counted = chromalab("colorize", tmp_path / "in", "-o", f"{tmp_path}/out/", "--dry-run")
    assert "1 photo and 3 films into" in counted.out
    done = chromalab("colorize", tmp_path / "in", "-o", f"{tmp_path}/out/")
    assert done.code == 1
    assert "3 colorized, 1 failed" in done.out
    assert "not a film that FFmpeg can read" in done.err
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {"p.png", "sub/g.MP4", "old.mkv"} <= names
    again = chromalab("colorize", tmp_path / "in", "-o", f"{tmp_path}/out/")
    assert "0 colorized, 3 finished before, 1 failed" in again.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--codec", "ffv1"], "cannot hold ffv1"),
        (["--codec", "vp9"], "unknown codec"),
        (["--crf", "60"], "--crf 60"),
        (["--preset", "nonsense"], "the presets of the codec h264"),
        (["--samples", "2"], "omit it for films"),
        (["--hint", "5,5=#ff0000"], "has no time"),
        (["--hint", "0s:500,5=#ff0000"], "500"),
    ],
)
def test_impossible_requests_end_with_2_and_a_reason(
    chromalab: Chromalab, tmp_path: Path, options: list[str], words: str
) -> None:
    source = gray_clip(tmp_path / "a.mp4", 2, "libx264")
    done = chromalab("colorize", source, "-o", tmp_path / "b.mp4", *options)
    assert done.code in {1, 2}
    assert words in done.err
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.slow
def test_a_truncated_film_is_colorized_as_far_as_it_goes(chromalab: Chromalab, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(20, 230, (30, 48, 64)).astype(np.uint8)
    clip = [frame_of(luma) for luma in noise]
    source = write_clip(tmp_path / "a.mp4", clip, "libx264", container={"movflags": "+faststart"})
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 6 // 10])
    done = chromalab("colorize", source, "-o", tmp_path / "b.mp4")
    assert done.code == 1
    assert "truncated" in done.err
    assert 5 < len(decoded(tmp_path / "b.mp4")) < 30


def test_an_image_sequence_becomes_a_film(chromalab: Chromalab, tmp_path: Path) -> None:
    for number, luma in enumerate(lumas(4)):
        Image.fromarray(luma).save(tmp_path / f"f_{number + 9:05d}.png")
    done = chromalab("colorize", tmp_path / "f_%05d.png", "-o", tmp_path / "b.mp4", "--fps", "12", "--sidecar")
    assert done.code == 0, done.err
    frames = decoded(tmp_path / "b.mp4")
    assert len(frames) == 4
    assert float(frames[1].pts * frames[1].time_base) == pytest.approx(1 / 12, abs=1e-3)
    missing = chromalab("colorize", tmp_path / "g_%05d.png", "-o", tmp_path / "c.mp4")
    assert missing.code == 2
    assert "no file matches the pattern" in missing.err


def test_a_full_disk_leaves_no_output(chromalab: Chromalab, tmp_path: Path) -> None:
    source = gray_clip(tmp_path / "a.mkv", 6)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limit[1]))
        done = chromalab("colorize", source, "-o", tmp_path / "b.mkv", "--codec", "ffv1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert done.code == 1
    assert "cannot write" in done.err
    assert not (tmp_path / "b.mkv").exists()


def test_a_closed_folder_is_named(chromalab: Chromalab, tmp_path: Path, permissions: None) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    source = gray_clip(tmp_path / "a.mkv", 2)
    done = chromalab("colorize", source, "-o", tmp_path / "closed" / "b.mkv")
    assert done.code == 1
    assert "cannot write" in done.err


@pytest.mark.slow
def test_a_killed_command_resumes(tmp_path: Path, quick_model: Path) -> None:
    clip = [frame_of(luma) for luma in [*lumas(150), *(255 - luma for luma in lumas(150))]]
    source = write_clip(tmp_path / "a.mkv", clip)

    def command(name: str) -> list[str]:
        start = "from chromalab.cli.main import run; run()"
        arguments = ["colorize", str(source), "-o", str(tmp_path / name), "--model", str(quick_model)]
        return [sys.executable, "-c", start, *arguments]

    subprocess.run(command("whole.mkv"), check=True, capture_output=True)
    work = tmp_path / ".b.mkv.chromalab-film"
    process = subprocess.Popen(command("b.mkv"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (work / "00000.json").exists():
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert (work / "00000.json").exists()
    assert not (tmp_path / "b.mkv").exists()
    subprocess.run(command("b.mkv"), check=True, capture_output=True)
    assert (tmp_path / "b.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()
    assert not work.exists()

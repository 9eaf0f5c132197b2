"""Batches with files that trip picture software: one photo never stops the others, and nothing goes unsaid.

What becomes of every file stands in tests/e2e/cases/batch.yaml; these tests look at the outputs and the lists.
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from chromalab.colorization import colorizer
from chromalab.colorization.colorizer import colorize
from chromalab.colorization.journal import read_journal
from chromalab.core.errors import UsageError
from chromalab.photo.listing import list_photos
from chromalab.photo.scan import open_scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Case, Chromalab

    Make = Callable[[str], Case]

pytestmark = pytest.mark.slow

MESSAGES = "out/.chromalab/messages.csv"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lightness(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(rgb2lab(np.asarray(image.convert("RGB")))[..., 0])


def opened(path: Path) -> tuple[str | None, tuple[int, int]]:
    with Image.open(path) as image:
        return image.format, image.size


def test_smallest_photos_keep_their_lightness(case: Make) -> None:
    made = case("one-pixel")
    made.colorize("--report")
    made.colorize("--samples", "1", out="sampled/")
    for name in ("1x1", "1x64", "64x1", "2x2"):
        for suffix in (".png", ".tiff"):
            before, after = lightness(made.photo(name + suffix)), lightness(made.folder / "out" / (name + suffix))
            assert before.shape == after.shape
            assert np.abs(before - after).max() < 0.5
        assert (made.folder / "sampled" / f"{name}.v1.png").is_file()
        assert (made.folder / "out/report/thumbs" / f"{name}.jpeg.after.jpg").is_file()
    assert colorize(made.photo("1x1.png")).shape == (1, 1, 3)
    hinted = made.colorize("--keep-tone", "--hint", "0,0=#ff0000", "--label", "x", "--scales", "0.5,1", out="hinted/")
    assert {result["status"] for result in hinted.values()} == {"done"}


def test_one_pixel_of_16_bits_and_of_a_float_array(tmp_path: Path) -> None:
    Image.fromarray(np.array([[40_000]], np.uint16)).save(tmp_path / "deep.png")
    assert colorize(tmp_path / "deep.png", out=tmp_path / "out.png").bits == 16
    assert colorize(np.array([[0.4]])).shape == (1, 1, 3)


def test_too_long_for_the_file_type_is_refused_before_the_work(case: Make, chromalab: Chromalab) -> None:
    made = case("long-thin")
    done = chromalab("colorize", made.photo("strip-16400x4.png"), "-o", "one.webp")
    assert (done.code, list(made.folder.glob("one*"))) == (1, [])
    assert "it has 16400x4 px, and the sides of WebP files end at 16,383 px: choose png, jpeg or tif" in done.err
    with pytest.raises(UsageError, match="AVIF"):
        colorize(made.photo("strip-65600x2.png"), out=made.folder / "one.avif")
    made.colorize("--report", "--format", "png")
    assert opened(made.folder / "out/strip-65600x2.png") == ("PNG", (65600, 2))
    assert {opened(path)[1][0] for path in (made.folder / "out/report/thumbs").iterdir()} == {4096}


def test_records_of_long_names(case: Make) -> None:
    made = case("file-name-of-240-bytes")
    made.colorize("--report", "--samples", "1")
    out = made.folder / "out"
    photos = {path.name for path in made.photo("").iterdir()}
    assert photos <= {path.name for path in out.iterdir()}
    records = [json.loads(path.read_text()) for path in out.glob("*.json")]
    assert {record["output"] for record in records} == photos
    assert not [path for path in out.rglob("*") if path.suffix == ".part"]
    assert len(list((out / "report/thumbs").iterdir())) == 2 * len(photos)
    assert len(list(out.glob("*.uncertainty.png"))) == len(photos)
    assert {result["status"] for result in made.colorize("--samples", "1").values()} == {"resumed"}
    longer = made.colorize("--format", "webp", out="webp/")
    assert {result["status"] for result in longer.values()} == {"done"}


def test_names_that_are_not_utf8(case: Make) -> None:
    made = case("names-not-utf8")
    made.colorize("--report")
    out = made.folder / "out"
    assert b"M\xfcnchen.jpg" in {os.fsencode(path.name) for path in out.iterdir()}
    assert set(read_journal(out).lines) == {"a.jpg", "M\\xfcnchen.jpg", "z.jpg"}
    assert 'href="../M%FCnchen.jpg"' in (out / "report/index.html").read_text()
    assert {row["photo"] for row in rows(out / "report/audit.csv")} == {"a.jpg", "M\\xfcnchen.jpg", "z.jpg"}
    sidecar = json.loads((out / os.fsdecode(b"M\xfcnchen.jpg.json")).read_text())
    assert (sidecar["source"], sidecar["output"]) == ("M\\xfcnchen.jpg",) * 2
    assert made.colorize()["M\\xfcnchen.jpg"]["status"] == "resumed"
    made.photo(os.fsdecode(b"M\xfcnchen.jpg")).write_bytes(b"")
    assert "has changed since" in made.colorize()["M\\xfcnchen.jpg"]["reason"]
    assert any(row["photo"] == "in/M\\xfcnchen.jpg" for row in rows(made.folder / MESSAGES))


@pytest.mark.usefixtures("permissions")
def test_closed_folder_is_named_and_the_rest_is_done(case: Make, chromalab: Chromalab) -> None:
    made = case("folder-that-may-not-be-read")
    done = chromalab("colorize", "in", "-o", "out/", "--report")
    assert done.code == 1
    assert done.out.startswith("2 colorized, 1 failed")
    assert "failed: in/lost+found: the folder cannot be listed: permission denied" in done.err
    assert "lost+found" in (made.folder / "out/report/index.html").read_text()
    assert "lost+found" in chromalab("colorize", "in/**/*", "-o", "again/").err
    alone = chromalab("colorize", "in/lost+found", "-o", "alone/")
    assert (alone.code, "cannot list the folder" in alone.err) == (2, True)
    with pytest.raises(UsageError, match="cannot list the folder"):  # training and evaluation must miss nothing
        list_photos(made.folder / "in")


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_folders_in_the_way_stay(case: Make, options: tuple[str, ...]) -> None:
    made = case("folder-in-the-way")
    results = made.colorize(*options)
    assert [results[f"{name}.jpg"]["status"] for name in "abc"] == ["failed", "failed", "done"]
    assert (made.folder / "out/a.jpg.json").is_dir()
    assert (made.folder / "out/b.jpg").is_dir()
    assert not (made.folder / "out/a.jpg").exists()


def test_record_of_another_program_is_kept(case: Make, chromalab: Chromalab) -> None:
    made = case("record-of-somebody-else-in-the-way")
    record = made.folder / "out/a.jpg.json"
    before = record.read_bytes()
    made.colorize()
    assert record.read_bytes() == before
    assert not (made.folder / "out/a.jpg").exists()
    assert "1 blocked: a record of that name" in chromalab("colorize", "in", "-o", "out/", "--dry-run").out
    assert made.colorize("--no-sidecar")["a.jpg"]["status"] == "done"
    assert record.read_bytes() == before
    single = chromalab("colorize", "in/a.jpg", "-o", "out/a.jpg", "--sidecar", "--overwrite")
    assert single.code == 0
    assert json.loads(record.read_text())["output"] == "a.jpg"
    (made.folder / "out/a.jpg").unlink()
    assert made.colorize()["a.jpg"]["status"] == "done", "a record of chromalab is not in the way"


def test_every_failure_is_listed(case: Make, chromalab: Chromalab) -> None:
    made = case("many-failures")
    for number in range(5):
        made.photo(f"more-{number}.jpg").write_bytes(b"")
    done = chromalab("colorize", "in", "-o", "out/", "--report", "--model", made.quick_model)
    bad = {f"in/{path.name}" for path in made.photo("").iterdir() if path.name != "good.jpg"}
    assert done.out.startswith("1 colorized, 13 failed")
    assert sum(line.startswith("failed: in/") for line in done.err.splitlines()) == 10
    assert "failed: 3 more (2: it is empty (0 bytes); 1: its content" in done.err
    assert f"all are listed in {MESSAGES}" in done.err
    assert {row["photo"] for row in rows(made.folder / MESSAGES)} == bad
    report = made.folder / "out/report"
    assert {row["source"] for row in rows(report / "audit.csv") if row["status"] == "failed"} == bad
    assert {photo["source"] for photo in json.loads((report / "report.json").read_text())["failed"]} == bad
    assert all(name in (report / "index.html").read_text() for name in bad)
    for path in made.photo("").glob("more-*"):
        path.unlink()
    made.colorize()
    assert len(rows(made.folder / MESSAGES)) == 8, "the list is that of the last run"


def test_files_left_out_are_counted_by_ending(case: Make, chromalab: Chromalab) -> None:
    made = case("endings-left-out")
    for name in ("a.xbm", "b.XBM"):
        made.photo(name).write_bytes(b"x")
    done = chromalab("colorize", "in", "-o", "out/", "--report", "--model", made.quick_model)
    assert done.code == 0
    assert "4 files left out: 2 .xbm, 1 .jpg_large, 1 .jpg~; all are listed in" in done.err
    out = made.folder / "out"
    endings = {"jfif": "JPEG", "jpe": "JPEG"} | {
        f"{ending}.png": "PNG" for ending in ("bmp", "gif", "jp2", "ppm", "tga")
    }
    for ending, kind in endings.items():
        assert opened(out / f"left-out.{ending}") == (kind, (64, 48))
    audit = rows(out / "report/audit.csv")
    assert [row["source"] for row in audit if row["status"] == "left out"] == [
        row["photo"] for row in rows(made.folder / MESSAGES)
    ]
    nothing = chromalab("colorize", "in/left-out.[bj]*[pe]", "-o", "none/")
    assert nothing.code == 0
    only = chromalab("colorize", "in/*.xbm", "-o", "none/")
    assert (only.code, "1 file left out: 1 .xbm" in only.err) == (2, True)


def test_raw_files_in_a_folder_are_left_out(case: Make) -> None:
    made = case("raw-file-of-a-camera")
    made.colorize()
    assert made.summary()["left_out"] == [
        {"source": "in/raw.dng", "reason": "it is a camera's raw file: develop it first"}
    ]


def test_names_match_composed_or_decomposed(case: Make, chromalab: Chromalab) -> None:
    case("evaluate-names-composed-and-not")
    done = chromalab("evaluate", "in/predictions", "in/targets", "--metrics", "mae", "--json", "scores.json")
    assert done.code == 0, done.err
    made = chromalab("colorize", "in/predictions", "in/targets", "-o", "out/")
    assert (made.code, "would both become" in made.err) == (2, True)


def test_output_folder_above_the_photos(case: Make, chromalab: Chromalab) -> None:
    made = case("output-above-the-photos")
    assert {result["status"] for result in made.colorize(out=".").values()} == {"done"}
    assert {result["status"] for result in made.colorize(out=".").values()} == {"resumed"}
    itself = chromalab("colorize", ".", "-o", ".", "--format", "png", "--report")  # only in/, not the outputs
    assert itself.out.startswith("2 colorized, 0 failed"), itself.err
    again = chromalab("colorize", ".", "-o", ".", "--format", "png", "--report")
    assert again.out.startswith("0 colorized, 2 finished before, 0 failed")
    (made.folder / "in").rename(made.folder / ".in")
    nothing = chromalab("colorize", ".", "-o", ".")
    assert (nothing.code, "every photo of . is an output in ." in nothing.err) == (2, True)


def test_an_output_never_replaces_another_photo(case: Make, chromalab: Chromalab) -> None:
    made = case("output-above-the-photos")
    (made.folder / "in/in").mkdir()
    (made.folder / "in/b.jpg").rename(made.folder / "in/in/a.jpg")
    done = chromalab("colorize", "in", "-o", ".", "--overwrite")
    assert (done.code, "is another of the photos and is never overwritten" in " ".join(done.err.split())) == (2, True)


def test_outputs_keep_the_times_of_their_photos(case: Make) -> None:
    made = case("output-above-the-photos")
    os.utime(made.photo("a.jpg"), ns=(10**18, 1_234_567_890_123_456_789))
    for _ in range(2):
        made.colorize("--keep-times", "--overwrite")
        assert (made.folder / "out/a.jpg").stat().st_mtime_ns == 1_234_567_890_123_456_789
        assert made.colorize()["a.jpg"]["status"] == "resumed"
    made.colorize("--overwrite", "--warmth", "5")
    assert (made.folder / "out/a.jpg").stat().st_mtime_ns > 1_234_567_890_123_456_789


WARNING = "the file is damaged from row 120 of 480 on: the rest is gray"


def test_warnings_stand_in_every_list(case: Make, chromalab: Chromalab, monkeypatch: pytest.MonkeyPatch) -> None:
    made = case("output-above-the-photos")
    for number in range(11):
        made.photo(f"c{number:02}.jpg").write_bytes(made.photo("a.jpg").read_bytes())

    def damaged(path: Path, *arguments: Any, **options: Any) -> Any:
        scan = open_scan(path, *arguments, **options)
        return scan if path.name == "b.jpg" else replace(scan, warnings=(WARNING,))

    monkeypatch.setattr(colorizer, "open_scan", damaged)
    done = chromalab("colorize", "in", "-o", "out/", "--report", "--model", made.quick_model)
    assert done.code == 0
    assert done.err.count("warning: in/") == 10
    assert f"warning: in/a.jpg: {WARNING}" in done.err
    assert f"warning: 2 more photos with warnings; all are listed in {MESSAGES}" in done.err
    assert [row["status"] for row in rows(made.folder / MESSAGES)] == ["warning"] * 12
    report = made.folder / "out/report"
    assert WARNING in (report / "index.html").read_text()
    assert [row["message"] for row in rows(report / "audit.csv")].count(WARNING) == 12
    listed = {photo["name"]: photo["warnings"] for photo in json.loads((report / "report.json").read_text())["photos"]}
    assert (listed["a.jpg"], listed["b.jpg"]) == ([WARNING], [])
    assert json.loads((made.folder / "out/a.jpg.json").read_text())["warnings"] == [WARNING]
    monkeypatch.undo()
    os.chdir(made.folder)
    resumed = made.colorize()
    assert (resumed["a.jpg"]["status"], resumed["a.jpg"]["warnings"]) == ("resumed", [WARNING])
    assert resumed["b.jpg"]["warnings"] == []

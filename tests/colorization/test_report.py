"""The report of a batch: page, data, thumbnails and stability."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from chromalab.colorization.batch import Batch, run_batch
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.report import measure_stability, run_with_report
from chromalab.colorization.small import small_colors
from chromalab.core.errors import UsageError
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab

if TYPE_CHECKING:
    from pathlib import Path

BATCH = Batch(Job(Options()))


@pytest.fixture
def brown(tmp_path: Path) -> Engine:
    """Return a fast colorizer that makes everything brown."""
    return Engine(find_colorizer(str(constant_ab(tmp_path / "brown.onnx", 12, 20))))


@pytest.mark.slow
def test_report_of_a_resumed_batch(engine: Engine, photos: Path) -> None:
    out = photos.parent / "out"
    plan = make_plan([str(photos)], f"{out}/")
    summary = run_with_report(engine, plan, BATCH)
    assert summary.count("done") == 3
    page = (out / "report" / "index.html").read_text()
    assert "a&#39;b &lt;i&gt;.png" in page
    assert "its content is not a JPEG" in page
    data = json.loads((out / "report" / "report.json").read_text())
    assert len(data["photos"]) == 3
    assert set(data["stability"]) == {"half", "double"}
    suspicion = [photo["suspicion"] for photo in data["photos"]]
    assert suspicion == sorted(suspicion, reverse=True)
    with (out / "report" / "audit.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["photo"] for row in rows if row["status"] == "done"] == [photo["name"] for photo in data["photos"]]
    assert [(row["photo"], row["suspicion"]) for row in rows if row["status"] == "failed"] == [("bad.jpg", "")]
    for which in ("before", "after"):
        with Image.open(out / "report" / "thumbs" / f"sub 0/a'b <i>.png.{which}.jpg") as thumb:
            assert thumb.size == (150, 100)
    again = run_with_report(engine, plan, BATCH)
    assert again.count("resumed") == 3
    assert json.loads((out / "report" / "report.json").read_text()) == data


def report_of(out: Path) -> tuple[list[str], bytes]:
    """Return the names on the contact sheet, and the colored thumbnail of the first photo."""
    data = json.loads((out / "report" / "report.json").read_text())
    thumb = out / "report" / "thumbs" / "sub 0" / "a'b <i>.png.after.jpg"
    return sorted(photo["name"] for photo in data["photos"]), thumb.read_bytes()


def test_report_has_photos_that_were_finished_without_one(brown: Engine, photos: Path) -> None:
    """As after a kill between an output and its entry."""
    expected, out = photos.parent / "expected", photos.parent / "out"
    run_with_report(brown, make_plan([str(photos)], f"{expected}/"), BATCH)
    run_batch(brown, make_plan([str(photos)], f"{out}/"), BATCH)
    assert run_with_report(brown, make_plan([str(photos)], f"{out}/"), BATCH).count("resumed") == 3
    assert report_of(out) == report_of(expected)
    folders = f"{expected}/", f"{out}/"
    for name in ("report.json", "audit.csv"):
        assert (out / "report" / name).read_text() == (expected / "report" / name).read_text().replace(*folders)


def test_report_shows_the_present_colors(brown: Engine, photos: Path) -> None:
    out, plan = photos.parent / "out", make_plan([str(photos)], f"{photos.parent}/out/")
    run_with_report(brown, plan, BATCH)
    names, before = report_of(out)
    gray = Batch(Job(Options(saturation=0)), overwrite=True)
    run_batch(brown, plan, gray)
    assert run_with_report(brown, plan, gray).count("resumed") == 3
    now, after = report_of(out)
    assert now == names
    assert after != before


def test_photos_that_cannot_be_measured_again_are_listed(
    brown: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_engine: Engine, source: Path, *_: object) -> None:
        raise UnreadablePhotoError(source, "the disk reports an error")

    out, plan = photos.parent / "out", make_plan([str(photos)], f"{photos.parent}/out/")
    run_batch(brown, plan, BATCH)
    monkeypatch.setattr("chromalab.colorization.report.small_copy", unreadable)
    summary = run_with_report(brown, plan, BATCH)
    assert [photo.warnings for photo in summary.photos if photo.status == "resumed"] == [
        ["the report has no entry of it: the disk reports an error"]
    ] * 3
    with (out / "report" / "audit.csv").open() as file:
        assert [row["suspicion"] for row in csv.DictReader(file)] == [""] * 4


def test_the_contact_sheet_of_one_photo_counts_in_the_singular(brown: Engine, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    Image.new("L", (40, 30), 128).save(tmp_path / "one" / "a.png")
    run_with_report(brown, make_plan([str(tmp_path / "one")], f"{tmp_path}/out/"), BATCH)
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert page.count("1 photo in color") == 2
    assert "1 photos" not in page


def test_report_needs_a_folder(engine: Engine, photos: Path) -> None:
    plan = make_plan([str(photos / "sub 0")], str(photos.parent / "one.png"))
    with pytest.raises(UsageError, match="output folder"):
        run_with_report(engine, plan, BATCH)


def test_stability_is_zero_where_size_does_not_matter(tmp_path: Path) -> None:
    brown = Engine(find_colorizer(str(constant_ab(tmp_path / "brown.onnx", 12, 20))))
    levels = np.tile(np.linspace(20, 230, 120, dtype=np.float32), (90, 1))
    small = small_colors(brown, levels, Options(), (90, 120))
    found = measure_stability(brown, small, Options())
    assert (found.half, found.double) == pytest.approx((0, 0), abs=0.01)

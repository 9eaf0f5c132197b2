"""The report of a batch: page, data, thumbnails and stability."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from chromalab.colorization.batch import Batch
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.report import measure_stability, run_with_report
from chromalab.colorization.small import small_colors
from chromalab.core.errors import UsageError
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab

if TYPE_CHECKING:
    from pathlib import Path

BATCH = Batch(Job(Options()))


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

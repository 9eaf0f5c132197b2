"""`chromalab metrics`: validation against ratings, and calibration."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from chromalab.evaluation.calibrate import CANDIDATES
from tests.evaluation.rated import write_hecd

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Chromalab


@pytest.mark.slow
def test_metrics_are_correlated_with_ratings(chromalab: Chromalab, tmp_path: Path) -> None:
    hecd, out = write_hecd(tmp_path / "set"), tmp_path / "out"
    done = chromalab(
        *("metrics", "validate", "--hecd", hecd, "--metrics", "mae,chroma", "--threads", "1"),
        *("--json", tmp_path / "new" / "people.json", "--out", out),
    )
    assert done.code == 0, done.err
    assert "agreement between raters, all: one rating against the others" in done.out
    record = json.loads((tmp_path / "new" / "people.json").read_text(encoding="utf-8"))
    assert set(record["all"]) == set(record["real"]) == {"mae", "chroma"}
    assert -1 <= record["all"]["mae"]["srcc"] <= 1
    page = (out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "Which metric agrees with people?" in page
    assert (out / "scores.csv").read_text(encoding="utf-8").count("\n") == 29
    assert (out / "people.csv").read_text(encoding="utf-8").count("\n") == 5


@pytest.mark.slow
def test_a_calibration_to_own_ratings(chromalab: Chromalab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smallest = [choice for choice in CANDIDATES if choice.side_px == 128]
    monkeypatch.setattr("chromalab.evaluation.calibrate.CANDIDATES", smallest)
    write_hecd(tmp_path)
    rows = (tmp_path / "ratings.csv").read_text(encoding="utf-8").splitlines()
    truths = [row.split(",") for row in rows[1:]]
    lines = [
        f"images/{image},images/{scene}.png,{score},{scene}"
        for scene, image, is_truth, _, score in truths
        for _ in range(2)
        if is_truth == "0"
    ]
    own = tmp_path / "mine.csv"
    own.write_text("image,reference,score,scene\n" + "\n".join(lines), encoding="utf-8")
    done = chromalab("metrics", "calibrate", "--ratings", own, "-o", tmp_path / "mine.json", "--threads", "1")
    assert done.code == 0, done.err
    assert "each scene left out in turn" in done.out
    arguments = ("--metrics", "color_perceptual", "--parameters", tmp_path / "mine.json", "--threads", "1")
    done = chromalab("metrics", "validate", "--ratings", own, *arguments)
    assert done.code == 0, done.err
    assert "‡ out of fold" in done.out


@pytest.mark.slow
def test_ratings_must_be_given_exactly_once(chromalab: Chromalab, tmp_path: Path) -> None:
    for arguments, message in (
        ((), "give either --hecd DIR or --ratings FILE"),
        (("--hecd", tmp_path, "--ratings", tmp_path / "x.csv"), "needs one source of ratings"),
        (("--hecd", tmp_path), "cannot be read"),
        (("--ratings", tmp_path / "x.csv"), "cannot be read"),
    ):
        done = chromalab("metrics", "validate", *arguments)
        assert (done.code, message in done.err) == (2, True), done.err

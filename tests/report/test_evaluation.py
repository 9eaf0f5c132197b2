"""The page, the table and the CSV files of an evaluation, from real comparisons of synthetic methods."""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from chromalab.evaluation.examples import chosen_photos, extremes
from chromalab.evaluation.folders import EvaluationSettings, compare_folders
from chromalab.evaluation.scores import Comparison
from chromalab.report.evaluation import headline, latex_table, write_evaluation_report
from chromalab.report.gallery import MAPS, draw_map
from tests.evaluation.variants import write_variants

METRICS = ("mae", "psnr", "delta_e_2000", "chroma", "delta_colorfulness")
SETTINGS = EvaluationSettings(metrics=METRICS, device="cpu", threads=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    crops = {f"p<{i}>": astronaut()[15 * i : 15 * i + 48, 120 + 5 * i : 184 + 5 * i].copy() for i in range(22)}
    return write_variants(tmp_path_factory.mktemp("methods"), crops)


@pytest.fixture(scope="module")
def comparison(folders: dict[str, Path]) -> Comparison:
    return compare_folders(folders, target=folders["sepia"].parent / "target", settings=SETTINGS)


@pytest.mark.slow
def test_the_page_is_self_contained_and_shows_the_record(comparison: Comparison, tmp_path: Path) -> None:
    page = write_evaluation_report(comparison, tmp_path).read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "p&lt;3&gt;" in page
    assert "p<3>" not in page
    for name in ("sepia", "blurred", "uncolored", "CIEDE2000", "chromalab-v1", comparison.record.protocol_sha256):
        assert name in page
    mean = next(m for m in comparison.record.methods if m.name == "sepia").metrics["delta_e_2000"].mean
    assert f"{mean:.1f}" in page
    assert page.count('<tr class="photo"') == len(set(re.findall(r'href="#photo-(\d+)"', page)))


def test_the_headline_counts_significant_leads(comparison: Comparison) -> None:
    told = " ".join(headline(comparison.record))
    assert "blurred is significantly better than every other method under" in told
    assert "CIEDE2000" in told
    assert "sepia is" not in told


@pytest.mark.slow
def test_csv_files_contain_every_number(comparison: Comparison, tmp_path: Path) -> None:
    write_evaluation_report(comparison, tmp_path)
    rows = list(csv.DictReader((tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 5 * len(METRICS)
    found = next(row for row in rows if (row["method"], row["metric"]) == ("sepia", "mae"))
    record = next(method for method in comparison.record.methods if method.name == "sepia")
    assert float(found["mean"]) == record.metrics["mae"].mean
    pairs = list(csv.DictReader((tmp_path / "differences.csv").read_text(encoding="utf-8").splitlines()))
    assert len(pairs) == 3 * len(METRICS)
    assert {row["winner"] for row in pairs if row["metric"] == "delta_e_2000"} >= {"blurred"}


def test_the_latex_table_is_balanced_and_escaped(comparison: Comparison) -> None:
    text = latex_table(comparison.record)
    assert text.count("{") == text.count("}")
    (head,) = [line for line in text.splitlines() if "blurred" in line]
    assert head.count("&") == 5
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and "arrow" in line and "caption" not in line]
    assert [row.count("&") for row in rows] == [5] * len(METRICS)
    assert r"\mathbf" in text


def test_extremes_are_the_best_and_the_worst(comparison: Comparison) -> None:
    found = {(each.metric, each.method): each for each in extremes(comparison)}
    for metric, sign in (("mae", 1), ("psnr", -1)):
        table = comparison.scores["sepia"]
        order = sorted(table.photos, key=lambda name: sign * table.columns[metric][table.photos.index(name)])
        assert [name for name, _ in found[metric, "sepia"].best] == order[:3]
        assert [name for name, _ in found[metric, "sepia"].worst] == order[:-4:-1]
    chosen = chosen_photos(list(found.values()), 5)
    assert len(chosen) == len(set(chosen)) == 5
    assert chosen[0] == found["mae", "uncolored"].worst[0][0]


@pytest.mark.slow
def test_one_method_without_ground_truth_gets_a_page(folders: dict[str, Path], tmp_path: Path) -> None:
    settings = replace(SETTINGS, metrics=None, bounds=False)
    alone = compare_folders({"m": folders["sepia"]}, grey=folders["uncolored"], settings=settings)
    page = write_evaluation_report(alone, tmp_path).read_text(encoding="utf-8")
    assert "There is no ground truth" in page
    assert "minus that of the gray photo" in page
    assert 'data-variant-button="delta_e"' not in page
    assert 'id="differences"' not in page


def test_links_lead_to_sections_without_metrics_of_photos(folders: dict[str, Path], tmp_path: Path) -> None:
    settings = replace(SETTINGS, metrics=("delta_colorfulness",))
    found = compare_folders({"m": folders["sepia"]}, target=folders["sepia"].parent / "target", settings=settings)
    page = write_evaluation_report(found, tmp_path).read_text(encoding="utf-8")
    assert 'id="spread"' not in page
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")).astype(int)


def test_error_maps_show_size_and_sign_of_errors() -> None:
    target = astronaut()[:64, 100:164]
    delta_e, chroma, lightness = MAPS
    assert decoded(draw_map(delta_e, target, target)).max() < 20
    brighter = np.clip(target.astype(int) + 8, 0, 255).astype(np.uint8)
    up, down = decoded(draw_map(lightness, brighter, target)), decoded(draw_map(lightness, target, brighter))
    assert up[..., 0].mean() > up[..., 2].mean() + 20  # red: lighter
    assert down[..., 2].mean() > down[..., 0].mean() + 20  # blue: darker
    grey = np.repeat(target.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    paler = decoded(draw_map(chroma, grey, target))
    assert paler[..., 2].mean() > paler[..., 0].mean()

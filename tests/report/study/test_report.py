"""The report page of complete and partial studies."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from chromalab.report.study.method import disagreements
from chromalab.report.study.report import write_colorized_page, write_report
from chromalab.studies.records import Analysis, RunRecord
from tests.report.conftest import AnalyzedStudy, WrittenStudy
from tests.report.synthetic_study import SyntheticStudy, make_analysis, study_record, write_colorized, write_study

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "img", "br", "hr", "input", "link", "wbr"}


class Outline(HTMLParser):
    """Collects what the tests ask about, and checks that every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.resources: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.resources += [value for key in ("src", "href", "xlink:href", "srcset") if (value := found.get(key))]
        self.ids += [value] if (value := found.get("id")) else []
        if tag == "img" and found.get("id") != "viewer-image":
            self.images.append(found)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


def outline(path: Path) -> Outline:
    return Outline(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_page_is_complete_and_loads_nothing(written: WrittenStudy) -> None:
    page = outline(written.paths.html)
    assert page.faults == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(value.startswith(("data:image/", "#")) for value in page.resources)
    assert {value[1:] for value in page.resources if value.startswith("#")} <= set(page.ids)


@pytest.mark.slow
def test_every_image_has_alt_text_and_the_page_is_small(written: WrittenStudy) -> None:
    images = outline(written.paths.html).images
    assert len(images) == 4 * (2 + 5 * 3)
    assert all(image["alt"] for image in images)
    assert written.paths.html.stat().st_size < 15e6


@pytest.mark.slow
def test_the_page_shows_the_records(written: WrittenStudy) -> None:
    text = re.sub(r"<svg.*?</svg>|<script.*?</script>|<style.*?</style>", "", written.paths.html.read_text("utf-8"),
                  flags=re.DOTALL)  # fmt: skip
    words = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    for claim in written.analysis.claims:
        assert claim.claim in words.replace("&#39;", "'")
    assert "5,412,338 parameters" in words
    assert "nearly colourless 29" in words
    assert "LPIPS-Alex" in words
    assert "lpips_squeeze + 0.1*wgan_gp" in words
    assert "chromalab weights add vgg16-397923af.pth" in words
    assert written.study.config_sha256[:12] in words


@pytest.mark.slow
def test_the_page_names_every_file_beside_it(written: WrittenStudy) -> None:
    text = written.paths.html.read_text(encoding="utf-8")
    beside = {path.name for path in written.paths.html.parent.iterdir() if path.suffix in {".csv", ".json"}}
    assert "primary.csv" in beside
    assert all(f"<code>{name}</code>" in text for name in beside)


@pytest.mark.slow
def test_analysis_json_can_be_read_back(written: WrittenStudy) -> None:
    assert Analysis.load(written.paths.analysis) == written.analysis


@pytest.mark.slow
def test_a_report_is_reproducible(tmp_path: Path, analyzed: AnalyzedStudy) -> None:
    slim = analyzed.analysis.model_copy(update={"metrics": analyzed.analysis.metrics[:1]})
    pages = [write_report(tmp_path / name, slim, analyzed.study).html.read_bytes() for name in ("one", "two")]
    assert pages[0] == pages[1]


def test_text_from_records_is_escaped(tmp_path: Path, analyzed: AnalyzedStudy) -> None:
    study = analyzed.study.model_copy(update={"title": "<script>alert(1)</script>", "note": "a & b"})
    slim = analyzed.analysis.model_copy(update={"metrics": []})
    text = write_report(tmp_path, slim, study).html.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "a &amp; b" in text


@pytest.mark.slow
def test_a_study_without_finished_runs(tmp_path: Path) -> None:
    made = SyntheticStudy(seeds=(0,), n_pictured=0)
    study = write_study(tmp_path, SyntheticStudy(seeds=(0,), n_pictured=0, absent=tuple(made.run_ids())))
    paths = write_report(tmp_path, make_analysis(tmp_path, study), study)
    text = paths.html.read_text(encoding="utf-8")
    assert "Not known yet." in text
    assert "5 planned runs had not finished" in text
    assert "There are no images yet" in text
    assert "No run has finished yet." in text
    assert outline(paths.html).faults == []


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_two_spaces_with_missing_runs_and_a_damaged_record(tmp_path: Path) -> None:
    made = SyntheticStudy(
        color_spaces=("lab", "yuv"), seeds=(0, 1), n_pictured=1, logged=False, absent=("wgan_l2-yuv-s1", "l1-lab-s0")
    )
    study = write_study(tmp_path, made)
    analysis = make_analysis(tmp_path, study)
    slim = analysis.model_copy(update={"metrics": analysis.metrics[:2]})
    (tmp_path / "runs" / "l2-lab-s0" / "record.json").write_text("{}", encoding="utf-8")
    paths = write_report(tmp_path, slim, study)
    page, text = outline(paths.html), paths.html.read_text(encoding="utf-8")
    assert page.faults == []
    assert "This study is too small to answer." in text
    assert "l2-lab-s0: its record cannot be read" in text
    assert "<code>wgan_l2-yuv-s1</code>" in text
    assert 'data-variant-button="yuv-s1"' in text
    assert "No run in YUV has logged its training yet." in text
    assert {path.name for path in paths.tables} == {"summary_lab.tex", "summary_yuv.tex", "claims.tex"}


@pytest.mark.usefixtures("blank_figures")
def test_scores_at_equal_chroma_are_shown_only_for_the_runs_of_the_report(tmp_path: Path) -> None:
    two = {"l1": ("l1",), "l2": ("l2",)}
    begun = SyntheticStudy(formulas=two, n_pictured=0, logged=False, absent=("l1-lab-s2", "l2-lab-s2"))
    study = write_study(tmp_path, begun)
    analysis = make_analysis(tmp_path, study, n_metrics=3)
    analysis.save(tmp_path / "protocols" / "chromalab-v1-equal-chroma" / "analysis.json")
    text = write_report(tmp_path, analysis, study).html.read_text(encoding="utf-8")
    assert "The same comparisons at equal chroma" in text
    assert "cover other runs" not in text
    study = write_study(tmp_path, SyntheticStudy(formulas=two, n_pictured=0, logged=False))
    text = write_report(tmp_path, make_analysis(tmp_path, study, n_metrics=3), study).html.read_text(encoding="utf-8")
    assert "The same comparisons at equal chroma" not in text
    assert "The scores at equal chroma cover other runs than this report" in text
    assert "delete <code>protocols/chromalab-v1-equal-chroma</code>" in text


def test_unequal_initial_weights_are_reported() -> None:
    study = study_record(SyntheticStudy())
    runs = [
        RunRecord(
            run_id=f"{name}-lab-s0", objective=name, formula=name, color_space="lab", seed=0, config_sha256="c",
            data_sha256=study.data.data_sha256, initial_sha256=start, steps=1, pictures=1, parameters=1,
            training_seconds=1, evaluation_seconds=1, device="cpu", threads=1, versions={}, n_photos=1,
        )
        for name, start in (("l1", "a"), ("l2", "b"))
    ]  # fmt: skip
    assert disagreements(study, runs) == ["Seed 0 in Lab: the objectives did not start from the same weights."]
    assert disagreements(study, runs[:1]) == []
    with_a_head = [runs[0], runs[1].model_copy(update={"parameters": 2})]
    assert disagreements(study, with_a_head) == [], "a head that only one objective has is part of its hash"


@pytest.mark.slow
def test_photos_without_ground_truth_get_a_page(tmp_path: Path) -> None:
    made = SyntheticStudy(seeds=(0, 1))
    write_colorized(tmp_path, made)
    path = write_colorized_page(tmp_path, study_record(made))
    page = outline(path)
    assert path == tmp_path / "report" / "colorized.html"
    assert page.faults == []
    assert len(page.images) == 2 * (1 + 5 * 2)
    text = path.read_text(encoding="utf-8")
    assert "The true colors of these photos are unknown" in text
    assert ">truth" not in text


def test_a_page_without_images_states_this(tmp_path: Path) -> None:
    path = write_colorized_page(tmp_path, study_record(SyntheticStudy()))
    assert "There are no images yet" in path.read_text(encoding="utf-8")

"""Small studies from photos to the report, interruptions, and mistakes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from chromalab.core.errors import UsageError
from chromalab.core.records import PRESET_FILES
from chromalab.photo.writing import write_png
from chromalab.studies.equal_chroma import FACTORS_FILE, ChromaFactors
from chromalab.studies.load import load_study
from chromalab.studies.records import Analysis
from chromalab.weights.adding import add_weights

from .conftest import Chromalab

CONFIGS = PRESET_FILES / "studies"
OBJECTIVES = ["l1", "l2", "perceptual", "wgan_l2", "wgan_perceptual"]
TINY = """
name: tiny
title: A tiny study
objectives: {wgan_l2: l2 + 0.1*wgan_gp}
color_spaces: [lab, rgb]
seeds: [0]
training: {crop_px: 32, batch_size: 2, pictures: 4, critic: {width: 0.125}}
pictured: 2
metrics: [mse, psnr, delta_e_2000, ssim, ms_ssim, chroma, frechet_lite0]
"""
TWO = TINY.replace("{wgan_l2", "{l2: l2, wgan_l2").replace("[lab, rgb]", "[lab]")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return a study file of two runs of two steps."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def refused(chromalab: Chromalab, *arguments: str | Path, saying: str) -> None:
    done = chromalab(*arguments)
    assert done.code == 2, done.err
    assert saying in done.err.splitlines()[-1]
    assert done.err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_a_study_from_photos_to_report(chromalab: Chromalab, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = chromalab("compare", "run", CONFIGS / "quick.yaml", "--out", out, "--smoke")
    assert done.code == 0, done.err
    assert "8 photos found; 5 to train, 0 to validate, 3 to test" in done.out
    assert (out / "report" / "report.html").stat().st_size > 50_000

    with (out / "report" / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "objective", "color_space", "metric", "direction", "mean", "ci_low", "ci_high", "n_photos", "n_seeds"
    ]  # fmt: skip
    assert {row["objective"] for row in rows} == {*OBJECTIVES, "grey", "truth"}
    assert {row["n_seeds"] for row in rows if row["objective"] in {"grey", "truth"}} == {"0"}
    assert {row["n_photos"] for row in rows} == {"3"}

    status = json.loads(chromalab("compare", "status", out, "--json").out)
    assert [row["state"] for row in status] == ["finished"] * 10


@pytest.mark.slow
def test_a_plan_is_frozen_once(chromalab: Chromalab, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan = "plan: {questions: ['Does the critic matter?'], contrasts: [[wgan_l2, l2]], margins: {ssim: 0.01}}\n"
    tiny.write_text(TWO + plan)
    done = chromalab("compare", "plan", tiny, "--out", out, "--json", tmp_path / "plan.json")
    assert done.code == 0, done.err
    assert "1 comparison, frozen 20" in done.out
    assert json.loads((tmp_path / "plan.json").read_text())["plan"]["margins"] == {"ssim": 0.01}
    frozen = (out / "plan.yaml").read_text()

    assert chromalab("compare", "plan", tiny, "--out", out).code == 0
    assert (out / "plan.yaml").read_text() == frozen
    tiny.write_text(TWO)
    refused(chromalab, "compare", "plan", tiny, "--out", tmp_path / "other", saying="plan")


@pytest.mark.slow
def test_a_tuned_study_is_a_study(chromalab: Chromalab, tiny: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(8):
        write_png(tmp_path / "photos" / f"{index}.png", rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    one_space = TINY.replace("color_spaces: [lab, rgb]", "color_spaces: [lab]")
    tiny.write_text(one_space + f"data: {{source: '{tmp_path / 'photos'}', val_share: 0.4}}\n")
    search = ("--round", "2x4", "--criterion", "delta_e_2000")
    done = chromalab("compare", "tune", tiny, "--out", tmp_path / "tuning", *search)
    assert done.code == 0, done.err
    assert f"study: {tmp_path / 'tuning' / 'tuned.yaml'}" in done.out

    planned = chromalab("compare", "plan", tmp_path / "tuning" / "tuned.yaml", "--out", tmp_path / "study")
    assert planned.code == 2
    assert "plan" in planned.err
    refused(chromalab, "compare", "tune", tiny, "--out", tmp_path / "x", "--round", "2", saying="--round")


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_an_interrupted_study_resumes(chromalab: Chromalab, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert chromalab("compare", "run", tiny, "--out", out).code == 0
    records = {path: path.read_bytes() for path in out.glob("runs/*/record.json")}
    assert len(records) == 2
    lost = out / "runs" / "wgan_l2-rgb-s0"
    metrics = (lost / "metrics.csv").read_bytes()
    shutil.rmtree(lost)
    assert "to do" in chromalab("compare", "status", out).out
    report = chromalab("compare", "report", out)
    assert report.code == 0
    assert chromalab("compare", "run", tiny, "--out", out).code == 0
    assert (lost / "metrics.csv").read_bytes() == metrics
    for path, content in records.items():
        if path.parent != lost:
            assert path.read_bytes() == content

    other = tmp_path / "other.yaml"
    other.write_text(TINY.replace("pictures: 4", "pictures: 6"))
    refused(chromalab, "compare", "run", other, "--out", out, saying="with other settings or photos")


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_networks_are_measured_at_intermediate_checkpoints(chromalab: Chromalab, tiny: Path, tmp_path: Path) -> None:
    plan = "plan: {contrasts: [[wgan_l2, l2]], margins: {ssim: 0.01}}\n"
    tiny.write_text(TWO.replace("pictured: 2", "pictured: [rocket]\nlooks: [0.5]") + plan)
    train, out = tmp_path / "photos", tmp_path / "out"
    for number in range(8):
        rgb = np.random.default_rng(number).integers(0, 256, size=(40, 50, 3), dtype=np.uint8)
        write_png(train / f"{number}.png", rgb)
    run = ("compare", "run", tiny, "--out", out, "--data", train, "--test")
    assert chromalab(*run, "samples").code == 0
    study = load_study(out)
    assert study.record.data.n_test == 8
    assert [path.name for path in (out / "pictures" / "wgan_l2-lab-s0").iterdir()] == ["rocket.png"]
    halfway = load_study(out, share=0.5)
    for name, run_then in halfway.runs.items():
        assert (run_then.record.steps, run_then.record.pictures) == (1, 2)
        assert run_then.photos.keys() == study.runs[name].photos.keys()
        assert (run_then.photos["mse"] != study.runs[name].photos["mse"]).any()
        with (out / "runs" / name / "validation.csv").open() as file:
            assert {row["photo"] for row in csv.DictReader(file)} <= {path.name for path in train.iterdir()}
    with pytest.raises(UsageError, match=r"no finished run has a checkpoint after 0\.25"):
        load_study(out, share=0.25)
    equal = (
        "compare",
        "score",
        out,
        "--protocol",
        "chromalab-v1",
        "--equal-chroma",
        "--data",
        train,
        "--test",
        "samples",
    )
    done = chromalab(*equal)
    assert done.code == 0, done.err
    there = out / "protocols" / "chromalab-v1-equal-chroma"
    assert set(ChromaFactors.load(there / FACTORS_FILE).factors) == set(study.runs)
    assert len(load_study(there).runs) == len(study.runs)
    analysis = Analysis.load(there / "analysis.json")
    assert [(row.first, row.second, row.metric) for row in analysis.primary] == [("wgan_l2", "l2", "ssim")]
    assert (analysis.plan.change, analysis.plan.unplanned_runs) == (None, [])
    assert chromalab("compare", "report", out).code == 0
    assert (out / "report" / "figures" / "equal_chroma_lab.svg").is_file()
    refused(chromalab, *run, train, saying="are also training photos")
    tiny.write_text(TWO.replace("pictured: 2", "pictured: [moon]"))
    refused(chromalab, *run, "samples", saying="no test photo is named 'moon'")


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_a_study_is_scored_under_another_protocol(chromalab: Chromalab, tiny: Path, tmp_path: Path) -> None:
    out, result = tmp_path / "out", tmp_path / "result.json"
    tiny.write_text(TINY.replace("[lab, rgb]", "[lab]"))
    assert chromalab("compare", "run", tiny, "--out", out).code == 0
    before = {path: path.read_bytes() for part in ("runs", "bounds") for path in (out / part).rglob("*.*")}
    done = chromalab("compare", "score", out, "--protocol", "ct2-val5k", "--json", result)
    assert done.code == 0, done.err
    assert "SSIM" in done.out
    assert {path: path.read_bytes() for path in before} == before
    own, other = load_study(out), load_study(out / "protocols" / "ct2-val5k")
    assert (own.record.protocol, other.record.protocol) == ("chromalab-v1", "ct2-val5k")
    assert list(other.runs) == list(own.runs)
    for name, run in other.runs.items():
        assert run.photos.keys() == own.runs[name].photos.keys() | {"ms_ssim"}  # photos of 256 px are large enough
        assert (run.photos["ssim"] != own.runs[name].photos["ssim"]).all()
    means = {(row["objective"], row["metric"]): row["mean"] for row in json.loads(result.read_text())["summary"]}
    assert means["truth", "ssim"] == 1

    assert chromalab("compare", "score", out, "--protocol", "chromalab-v1").code == 0
    again = load_study(out / "protocols" / "chromalab-v1")
    for name, run in again.runs.items():
        assert run.record.set_metrics == own.runs[name].record.set_metrics
        for metric, values in run.photos.items():
            np.testing.assert_allclose(values, own.runs[name].photos[metric], rtol=1e-5, atol=1e-6)
    assert chromalab("compare", "report", out / "protocols" / "chromalab-v1").code == 0
    refused(chromalab, "compare", "score", out, "--protocol", "chaptr", saying="did you mean 'chapter'")
    refused(chromalab, "compare", "score", tmp_path, "--protocol", "chapter", saying="holds no study")
    photos = tmp_path / "photos"
    for number in range(8):
        rgb = np.random.default_rng(number).integers(0, 256, size=(40, 50, 3), dtype=np.uint8)
        write_png(photos / f"{number}.png", rgb)
    refused(
        chromalab,
        "compare",
        "score",
        out,
        "--protocol",
        "chapter",
        "--data",
        photos,
        saying="does not hold the photos of the study",
    )


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
def test_photos_without_truth_get_a_page(chromalab: Chromalab, tiny: Path, tmp_path: Path) -> None:
    out, archive = tmp_path / "out", tmp_path / "archive"
    assert chromalab("compare", "run", tiny, "--out", out).code == 0
    grey = np.linspace(0, 255, 60 * 80).astype(np.uint8).reshape(60, 80, 1)
    write_png(archive / "boats, 1908.png", np.repeat(grey, 3, axis=2))
    (archive / "broken.jpg").write_bytes(b"no picture")
    done = chromalab("compare", "colorize", out, "--photos", archive)
    assert done.code == 0, done.err
    assert "skipped broken.jpg" in done.out
    assert "1 photos x 2 networks" in done.out
    assert (out / "report" / "colorized.html").exists()
    assert len(list((out / "colorized" / "boats, 1908.png").glob("*.png"))) == 3
    refused(chromalab, "compare", "colorize", out, "--photos", tmp_path / "none", saying="none")


@pytest.mark.slow
def test_one_training(chromalab: Chromalab, tmp_path: Path) -> None:
    done = chromalab("train", "--loss", "l1 + 0.5*l2", "--out", tmp_path / "out", "--smoke", "--space", "yuv")
    assert done.code == 0, done.err
    out = tmp_path / "out"
    assert not (out / "study.json").exists()
    assert {path.name for path in out.iterdir()} >= {
        "training.json", "train.csv", "validation.csv", "metrics.csv", "model.safetensors", "model.onnx", "samples"
    }  # fmt: skip
    record = json.loads((out / "training.json").read_text())
    assert (record["formula"], record["recipe"]["color_space"]) == ("l1 + 0.5*l2", "yuv")


@pytest.mark.slow
@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("preset", sorted({path.stem for path in CONFIGS.glob("*.yaml")} - {"quick", "presets"}))
def test_other_studies_run_with_smoke_settings(
    chromalab: Chromalab, preset: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))
    add_weights(shared / "data" / "weights" / "squeezenet1_1_features.safetensors")
    config, photos = tmp_path / f"{preset}.yaml", shared / "data" / "eval"
    # The test of `quick` above computes every metric, and test_presets.py runs the published mixtures.
    config.write_text((CONFIGS / config.name).read_text() + "\nmetrics: [psnr, ssim, colorfulness]\n")
    done = chromalab("compare", "run", config, "--out", tmp_path / "out", "--smoke", "--data", photos)
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "report" / "report.html").exists()


@pytest.mark.parametrize(
    ("change", "saying"),
    [
        (("metrics: [mse,", "metrics: [msee,"), "did you mean 'mse'"),
        (("wgan_l2: l2 + 0.1*wgan_gp", "wgan_l2: l2 + 0.1*wgan_pg"), "unknown loss 'wgan_pg' at position 10"),
        (("pictured: 2", "pictered: 2"), "unknown key 'pictered'; did you mean 'pictured'"),
        (("crop_px: 32", "crop: 32"), "unknown key 'training.crop'; did you mean 'crop_px'"),
        (("[lab, rgb]", "[lab, hsv]"), "unknown color space 'hsv'; known are: lab, rgb, yuv"),
        (("[lab, rgb]", "[lab, lab]"), "color_spaces has a duplicate entry"),
        (("{wgan_l2: l2", "{grey: l2"), "every table has a bound named 'grey'"),
        (("{wgan_l2: l2", "{lpips: lpips_vgg"), "chromalab weights add"),
        (("title: A tiny study", "title: [A tiny"), "it is not valid YAML"),
        (("seeds: [0]", "perceptual: lpips_vg\nseeds: [0]"), "unknown loss 'lpips_vg'; did you mean 'lpips_vgg'"),
    ],
)
def test_invalid_studies_are_refused_in_one_line(
    chromalab: Chromalab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], saying: str
) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))
    study = tmp_path / "study.yaml"
    assert change[0] in TINY
    study.write_text(TINY.replace(*change))
    refused(chromalab, "compare", "run", study, "--out", tmp_path / "out", saying=saying)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_wrong_folders_and_devices_are_refused_in_one_line(chromalab: Chromalab, tiny: Path, tmp_path: Path) -> None:
    run = ("compare", "run", tiny, "--out", tmp_path / "out")
    refused(chromalab, *run, "--data", tmp_path / "none", saying="none")
    refused(chromalab, *run, "--device", "cuda", saying="no CUDA device")
    refused(chromalab, *run, "--device", "npu", saying="unknown device 'npu'")
    refused(chromalab, "compare", "run", tmp_path / "none.yaml", "--out", tmp_path / "out", saying="none.yaml")
    refused(chromalab, "compare", "report", tmp_path, saying="holds no study")
    refused(chromalab, "compare", "status", tmp_path, saying="holds no study")
    broken = tmp_path / "broken"
    broken.mkdir()
    for index in range(3):
        (broken / f"{index}.jpg").write_text("this is text")
    refused(chromalab, *run, "--data", broken, saying="none of the 3 photos can be used")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_existing_output_folder_is_refused(chromalab: Chromalab, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = chromalab("compare", "run", tiny, "--out", tmp_path / "file" / "out")
    assert done.code == 1
    assert "choose another output folder" in done.err

"""Batches: resumed, honest about failures, never writing over what is not theirs."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pyvips
from PIL import Image

from chromalab.colorization import batch as batches
from chromalab.colorization.batch import Batch, Summary, look_ahead, run_batch
from chromalab.colorization.colorizer import Job, colorize_file
from chromalab.colorization.engine import Engine
from chromalab.colorization.hints import Hint
from chromalab.colorization.journal import JOURNAL, open_journal
from chromalab.colorization.options import Options
from chromalab.colorization.plan import KEPT, Plan, make_plan
from chromalab.core.errors import OutputError, UsageError
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab
from tests.photo.odd_files import picture, png_that_declares, save

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Batch(Job(Options()))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return a colorizer that makes everything brown: what is looked at here is not its taste."""
    return Engine(find_colorizer(str(constant_ab(tmp_path_factory.mktemp("m") / "brown.onnx", 12, 20))))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with three photos, and five that are none."""
    folder = tmp_path / "in"
    for number in range(3):
        save(folder / f"it's é {number}.jpg", picture(seed=number))
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("no photo")
    whole = save(folder / "cut.png", picture(200, 300)).read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "bomb.png").write_bytes(png_that_declares(60000, 60000))
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    save(folder / "really.jpg", picture(seed=9)).rename(folder / "really a jpeg.png")
    return folder


def plan_of(photos: Path) -> Plan:
    return make_plan([str(photos)], f"{photos.parent}/out/")


def states(summary: Summary) -> dict[str, int]:
    return {status: summary.count(status) for status in ("done", "resumed", "failed")}


def test_every_failure_has_its_reason_and_the_others_go_on(engine: Engine, photos: Path) -> None:
    summary = run_batch(engine, plan_of(photos), SETTINGS)
    assert states(summary) == {"done": 4, "resumed": 0, "failed": 5}
    reasons = {photo.source.rpartition("/")[2]: photo.reason or "" for photo in summary.photos if photo.reason}
    assert "0 bytes" in reasons["empty.png"]
    assert "content is not" in reasons["text.jpg"]
    assert "cut off" in reasons["cut.png"]
    assert "60000x60000" in reasons["bomb.png"]
    assert "symbolic link" in reasons["loop.jpg"]
    out = photos.parent / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [KEPT, "really a jpeg.png", "really a jpeg.png.json"]
        + [f"it's é {number}.jpg{suffix}" for number in range(3) for suffix in ("", ".json")]
    )
    assert sum(count for _, count, _ in summary.reasons()) == 5


def test_the_record_beside_it(engine: Engine, photos: Path) -> None:
    run_batch(engine, plan_of(photos), SETTINGS)
    record = json.loads((photos.parent / "out" / "it's é 0.jpg.json").read_text())
    assert record["model"] == "brown"
    assert record["model_sha256"] == engine.file.sha256
    assert record["digital_source_type"] == "compositeWithTrainedAlgorithmicMedia"
    assert record["lightness_error"] < 0.5
    assert record["source"] == "it's é 0.jpg"


def test_nothing_is_done_twice(engine: Engine, photos: Path) -> None:
    first = run_batch(engine, plan_of(photos), SETTINGS)
    before = {path: path.stat().st_mtime_ns for path in (photos.parent / "out").iterdir()}
    again = run_batch(engine, plan_of(photos), SETTINGS)
    assert states(again) == {"done": 0, "resumed": 4, "failed": 5}
    after = {path: path.stat().st_mtime_ns for path in (photos.parent / "out").iterdir()}
    assert {path: time for path, time in before.items() if path.suffix} == {
        path: time for path, time in after.items() if path.suffix
    }
    numbers = [(photo.output, photo.seconds) for photo in first.photos if photo.status == "done"]
    assert numbers == [(photo.output, photo.seconds) for photo in again.photos if photo.status == "resumed"]


def test_what_is_in_the_way_stays(engine: Engine, photos: Path) -> None:
    out = photos.parent / "out"
    out.mkdir()
    (out / "it's é 1.jpg").write_bytes(b"somebody's own")
    summary = run_batch(engine, plan_of(photos), SETTINGS)
    assert (out / "it's é 1.jpg").read_bytes() == b"somebody's own"
    assert any("not of this batch" in reason for reason, _, _ in summary.reasons())
    warmer = Batch(Job(Options(warmth=10)))
    assert any("other settings" in reason for reason, _, _ in run_batch(engine, plan_of(photos), warmer).reasons())
    replaced = run_batch(engine, plan_of(photos), Batch(Job(Options(warmth=10)), overwrite=True))
    assert states(replaced) == {"done": 4, "resumed": 0, "failed": 5}
    assert states(run_batch(engine, plan_of(photos), warmer))["resumed"] == 4


def test_photos_that_changed_are_told(engine: Engine, photos: Path) -> None:
    run_batch(engine, plan_of(photos), SETTINGS)
    save(photos / "it's é 0.jpg", picture(seed=77))
    summary = run_batch(engine, plan_of(photos), SETTINGS)
    assert any("has changed since" in reason for reason, _, _ in summary.reasons())
    assert look_ahead(engine, plan_of(photos), SETTINGS) == {"new": 5, "done": 3, "source changed": 1}


def test_an_interruption_before_the_name(engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between the line in the journal and the output's name: the photo is done again, once."""
    plan = plan_of(photos)
    real = os.replace

    class Killed(BaseException):
        pass

    def kill(*arguments: Any) -> None:
        raise Killed

    monkeypatch.setattr("pathlib.Path.replace", kill)
    with pytest.raises(Killed):
        run_batch(engine, plan, Batch(Job(Options()), sidecar=False))
    monkeypatch.undo()
    assert real is os.replace
    assert not [path for path in (photos.parent / "out").iterdir() if path.suffix in {".jpg", ".part"}]
    assert states(run_batch(engine, plan, SETTINGS)) == {"done": 4, "resumed": 0, "failed": 5}


def test_a_line_that_was_cut_off(engine: Engine, photos: Path) -> None:
    run_batch(engine, plan_of(photos), SETTINGS)
    path = photos.parent / "out" / KEPT / JOURNAL
    lines = path.read_bytes()
    path.write_bytes(lines[:-30])
    assert states(run_batch(engine, plan_of(photos), Batch(Job(Options()), overwrite=True)))["done"] == 1
    assert path.read_bytes().count(b"\n") == 4
    assert states(run_batch(engine, plan_of(photos), SETTINGS))["resumed"] == 4


def test_rubbish_of_a_kill_is_swept_away(engine: Engine, photos: Path) -> None:
    out = photos.parent / "out"
    out.mkdir()
    rubbish = (".chromalab-x1.part", ".chromalab-x2.spool", ".it's é 0.jpg.json.x3.part")
    for name in (*rubbish, ".keep", "mine.part"):
        (out / name).write_bytes(b"x")
    run_batch(engine, plan_of(photos), SETTINGS)
    assert not {path.name for path in out.iterdir()}.intersection(rubbish)
    assert (out / ".keep").is_file()
    assert (out / "mine.part").is_file()


def test_two_batches_in_one_folder(engine: Engine, photos: Path) -> None:
    with open_journal(photos.parent / "out"), pytest.raises(UsageError, match="another process"):
        run_batch(engine, plan_of(photos), SETTINGS)


def test_workers_give_the_same(engine: Engine, photos: Path) -> None:
    run_batch(engine, make_plan([str(photos)], f"{photos.parent}/one/"), SETTINGS)
    run_batch(engine, make_plan([str(photos)], f"{photos.parent}/four/"), Batch(Job(Options()), workers=4))
    for path in (photos.parent / "one").glob("*.jpg"):
        assert path.read_bytes() == (photos.parent / "four" / path.name).read_bytes()


def test_full_disks_end_the_batch(engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(batches, "colorize_file", full)
    with pytest.raises(OutputError, match="full"):
        run_batch(engine, plan_of(photos), SETTINGS)


def test_faults_of_ours_fail_one_photo(engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(engine: Engine, source: Path, *arguments: Any, **options: Any) -> Any:
        if source.name.endswith("1.jpg"):
            raise ZeroDivisionError("by nobody")
        return colorize_file(engine, source, *arguments, **options)

    monkeypatch.setattr(batches, "colorize_file", trip)
    summary = run_batch(engine, plan_of(photos), SETTINGS)
    assert summary.count("done") == 3
    assert any("please report it: ZeroDivisionError: by nobody" in reason for reason, _, _ in summary.reasons())


def test_hints_outside_fail_the_photo(engine: Engine, photos: Path) -> None:
    wrong = Batch(Job(Options(hints=[Hint(x=5000, y=0, color="#ff0000")])))
    assert "outside the photo" in run_batch(engine, plan_of(photos), wrong).reasons()[0][0]


def test_one_file(engine: Engine, photos: Path) -> None:
    target = photos.parent / "x" / "y.png"
    plan = make_plan([str(photos / "it's é 0.jpg")], str(target))
    assert states(run_batch(engine, plan, Batch(Job(Options()), sidecar=False)))["done"] == 1
    assert [path.name for path in target.parent.iterdir()] == ["y.png"]
    with pytest.raises(UsageError, match="--overwrite"):
        run_batch(engine, plan, SETTINGS)
    assert states(run_batch(engine, plan, Batch(Job(Options()), overwrite=True)))["done"] == 1


def test_a_scan_with_everything(engine: Engine, tmp_path: Path) -> None:
    """16 bits, a profile, XMP, alpha, two pages: all of it comes out."""
    deep = picture().astype(np.uint16) * 257
    alpha = np.full((60, 90, 1), 40000, dtype=np.uint16)
    page = pyvips.Image.new_from_array(np.concatenate([deep, alpha], axis=2), interpretation="rgb16")
    pages = page.join(page, "vertical").copy()
    pages.set_type(pyvips.GValue.gint_type, "page-height", 60)
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    xmp += b"<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/' dc:source='box 7'/>"
    xmp += b"</rdf:RDF></x:xmpmeta>"
    pages.set_type(pyvips.GValue.blob_type, "xmp-data", xmp)
    pages.tiffsave(str(tmp_path / "s.tif"), profile="p3", compression="lzw", tile=True)
    result, _ = colorize_file(engine, tmp_path / "s.tif", tmp_path / "o.tif", Job(Options()))
    assert (result.bits, result.pages) == (16, 2)
    back = pyvips.Image.new_from_file(str(tmp_path / "o.tif"), n=-1)
    assert (back.format, back.bands, back.height, back.get("n-pages")) == ("ushort", 4, 120, 2)
    assert back.get_typeof("icc-profile-data")
    assert b"box 7" in back.get("xmp-data")
    assert b"compositeWithTrainedAlgorithmicMedia" in back.get("xmp-data")
    assert np.array_equal(back.numpy()[:60, :, 3], alpha[..., 0])


@pytest.mark.parametrize("kind", ["grey", "sepia", "color"])
def test_lightness_is_kept_from_file_to_file(engine: Engine, tmp_path: Path, kind: str) -> None:
    from skimage.color import rgb2lab  # noqa: PLC0415

    grey = np.asarray(Image.fromarray(picture()).convert("L"))
    source = {
        "grey": grey,
        "sepia": np.clip(grey[..., None] * np.array([1.0, 0.85, 0.65]), 0, 255).astype(np.uint8),
        "color": picture(),
    }[kind]
    save(tmp_path / "s.png", source)
    result, _ = colorize_file(engine, tmp_path / "s.png", tmp_path / "o.png", Job(Options()))
    before = rgb2lab(np.asarray(Image.open(tmp_path / "s.png").convert("RGB")))
    after = rgb2lab(np.asarray(Image.open(tmp_path / "o.png")))
    assert np.abs(before[..., 0] - after[..., 0]).max() < 0.5
    assert result.lightness_error < 0.5
    if kind == "sepia":  # as a rule a print's tone is not kept
        toned, _ = colorize_file(engine, tmp_path / "s.png", tmp_path / "t.png", Job(Options(keep_tone=True)))
        kept = rgb2lab(np.asarray(Image.open(tmp_path / "t.png")))
        middle = (before[..., 0] > 40) & (before[..., 0] < 80)
        assert (kept - after)[middle][:, 2].mean() == pytest.approx(before[middle][:, 2].mean(), abs=3)
        assert toned.lightness_error < 0.5


def test_large_photos_go_through_strips(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chromalab.photo import scan as scans  # noqa: PLC0415

    for name, pixels in (("s8", picture(200, 300)), ("s16", picture(200, 300).astype(np.uint16) * 257)):
        pyvips.Image.new_from_array(pixels, interpretation="rgb16" if pixels.dtype == np.uint16 else "srgb").tiffsave(
            str(tmp_path / f"{name}.tif")
        )
        colorize_file(engine, tmp_path / f"{name}.tif", tmp_path / f"{name}-whole.tif", Job(Options()))
        with monkeypatch.context() as patch:
            patch.setattr(scans, "WHOLE_PIXELS", 0)
            patch.setattr(scans, "STRIP_PIXELS", 2500)
            colorize_file(engine, tmp_path / f"{name}.tif", tmp_path / f"{name}-strips.tif", Job(Options()))
        whole, strips = (pyvips.Image.new_from_file(str(tmp_path / f"{name}-{way}.tif")) for way in ("whole", "strips"))
        difference = np.abs(whole.numpy().astype(int) - strips.numpy()).max()
        assert difference <= (3 if name == "s8" else 400), name
        assert whole.format == strips.format

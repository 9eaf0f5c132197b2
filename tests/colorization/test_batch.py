"""Batches resume, report failures, and never overwrite files of others."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pyvips

from chromalab.colorization import batch as batches
from chromalab.colorization.batch import Batch, look_ahead, run_batch
from chromalab.colorization.colorizer import colorize_file
from chromalab.colorization.engine import Engine
from chromalab.colorization.hints import Hint
from chromalab.colorization.journal import JOURNAL, open_journal
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import Plan, make_plan
from chromalab.colorization.records import KEPT, Item
from chromalab.colorization.summary import Summary
from chromalab.core.errors import OutputError, UsageError
from chromalab.photo.scan import open_scan
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab
from tests.e2e.conftest import Chromalab, chromalab  # noqa: F401 - a fixture
from tests.photo.odd_files import picture, png_that_declares, save

SETTINGS = Batch(Job(Options()))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return a fast colorizer that makes everything brown."""
    return Engine(find_colorizer(str(constant_ab(tmp_path_factory.mktemp("m") / "brown.onnx", 12, 20))))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with four readable photos and five unreadable files."""
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


def statuses(summary: Summary) -> dict[str, int]:
    return {status: summary.count(status) for status in ("done", "resumed", "failed")}


def test_failures_have_reasons_and_the_batch_continues(engine: Engine, photos: Path) -> None:
    summary = run_batch(engine, plan_of(photos), SETTINGS)
    assert statuses(summary) == {"done": 4, "resumed": 0, "failed": 5}
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


def test_sidecar_record(engine: Engine, photos: Path) -> None:
    run_batch(engine, plan_of(photos), SETTINGS)
    record = json.loads((photos.parent / "out" / "it's é 0.jpg.json").read_text())
    assert record["model"] == "brown"
    assert record["model_sha256"] == engine.file.sha256
    assert record["digital_source_type"] == "compositeWithTrainedAlgorithmicMedia"
    assert record["lightness_error"] < 0.5
    assert record["source"] == "it's é 0.jpg"


def test_finished_photos_are_not_repeated(engine: Engine, photos: Path) -> None:
    first = run_batch(engine, plan_of(photos), SETTINGS)
    before = {path: path.stat().st_mtime_ns for path in (photos.parent / "out").iterdir()}
    again = run_batch(engine, plan_of(photos), SETTINGS)
    assert statuses(again) == {"done": 0, "resumed": 4, "failed": 5}
    after = {path: path.stat().st_mtime_ns for path in (photos.parent / "out").iterdir()}
    assert {path: time for path, time in before.items() if path.suffix} == {
        path: time for path, time in after.items() if path.suffix
    }
    numbers = [(photo.output, photo.seconds) for photo in first.photos if photo.status == "done"]
    assert numbers == [(photo.output, photo.seconds) for photo in again.photos if photo.status == "resumed"]


def test_existing_files_are_kept_without_overwrite(engine: Engine, photos: Path) -> None:
    out = photos.parent / "out"
    out.mkdir()
    (out / "it's é 1.jpg").write_bytes(b"somebody's own")
    summary = run_batch(engine, plan_of(photos), SETTINGS)
    assert (out / "it's é 1.jpg").read_bytes() == b"somebody's own"
    assert any("not from this batch" in reason for reason, _, _ in summary.reasons())
    warmer = Batch(Job(Options(warmth=10)))
    assert any("other settings" in reason for reason, _, _ in run_batch(engine, plan_of(photos), warmer).reasons())
    replaced = run_batch(engine, plan_of(photos), Batch(Job(Options(warmth=10)), overwrite=True))
    assert statuses(replaced) == {"done": 4, "resumed": 0, "failed": 5}
    assert statuses(run_batch(engine, plan_of(photos), warmer))["resumed"] == 4


def test_looking_ahead_counts_what_would_be_replaced(engine: Engine, photos: Path) -> None:
    out = photos.parent / "out"
    plan = make_plan([str(photos / "it's é 0.jpg"), str(photos / "it's é 1.jpg"), str(photos / "cut.png")], f"{out}/")
    save(out / "it's é 0.jpg", picture())
    (out / "it's é 1.jpg").mkdir()
    assert look_ahead(engine, plan, SETTINGS) == {"foreign": 1, "folder": 1, "new": 1}
    overwrite = replace(SETTINGS, overwrite=True)
    assert look_ahead(engine, plan, overwrite) == {"replaced": 1, "folder": 1, "new": 1}
    one = make_plan([str(photos / "cut.png")], str(out / "it's é 0.jpg"))
    assert look_ahead(engine, one, SETTINGS) == {"foreign": 1}
    assert look_ahead(engine, one, overwrite) == {"replaced": 1}


def test_changed_photos_are_reported(engine: Engine, photos: Path) -> None:
    run_batch(engine, plan_of(photos), SETTINGS)
    save(photos / "it's é 0.jpg", picture(seed=77))
    summary = run_batch(engine, plan_of(photos), SETTINGS)
    assert any("has changed since" in reason for reason, _, _ in summary.reasons())
    assert look_ahead(engine, plan_of(photos), SETTINGS) == {"new": 5, "done": 3, "source changed": 1}


def record_of(output: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(output.with_name(f"{output.name}.json").read_text())
    return record


def test_the_record_of_a_replaced_output_is_replaced_or_deleted(
    engine: Engine,
    photos: Path,
    chromalab: Chromalab,  # noqa: F811
) -> None:
    plan, photo = make_plan([str(photos / "it's é 0.jpg")], f"{photos.parent}/out/"), photos / "it's é 0.jpg"
    output = plan.items[0].output
    run_batch(engine, plan, SETTINGS)
    command = ("colorize", photo, "-o", output, "--model", engine.file.path, "--overwrite", "--warmth")
    assert chromalab(*command, "10").code == 0
    assert record_of(output)["parameters"] == {"warmth": 10.0}
    assert chromalab(*command, "20", "--no-sidecar").code == 0
    assert [path.name for path in output.parent.glob("*.json")] == []
    run_batch(engine, plan, replace(SETTINGS, overwrite=True))
    run_batch(engine, plan, Batch(Job(Options(warmth=10)), overwrite=True, sidecar=False))
    assert [path.name for path in output.parent.glob("*.json")] == []


def test_an_output_that_was_changed_is_kept_and_named(engine: Engine, photos: Path) -> None:
    photo = photos / "it's é 0.jpg"
    plan = make_plan([str(photo)], f"{photos.parent}/out/")
    run_batch(engine, plan, SETTINGS)
    run_batch(engine, make_plan([str(photo)], str(plan.items[0].output)), Batch(Job(Options(warmth=9)), overwrite=True))
    assert look_ahead(engine, plan, SETTINGS) == {"output changed": 1}
    before = plan.items[0].output.read_bytes()
    for settings in (SETTINGS, replace(SETTINGS, overwrite=True)):
        (result,) = run_batch(engine, plan, settings).photos
        assert (result.status, "changed after this batch" in result.warnings[-1]) == ("resumed", True)
    assert plan.items[0].output.read_bytes() == before
    other = Batch(Job(Options(warmth=5)), overwrite=True)
    assert run_batch(engine, plan, other).count("done") == 1
    assert run_batch(engine, plan, other).photos[0].warnings == []


def test_photos_with_kept_times_are_finished_without_a_warning(engine: Engine, photos: Path) -> None:
    plan, batch = plan_of(photos), Batch(Job(Options(), keep_times=True))
    run_batch(engine, plan, batch)
    ahead = look_ahead(engine, plan, batch)
    assert (ahead["done"], ahead["output changed"]) == (4, 0)


def test_the_temperature_of_versions_does_not_change_best_guesses(engine: Engine, photos: Path) -> None:
    def settings(**options: float) -> str:
        return batches.settings_sha256(engine, Batch(Job(Options.parse(options, origin="test"))))

    assert settings(temperature=1.0) == settings()
    assert settings(temperature=1.0, sample=0) != settings(sample=0)
    plan = plan_of(photos)
    run_batch(engine, plan, SETTINGS)
    assert run_batch(engine, plan, Batch(Job(Options(temperature=1.0)))).count("resumed") == 4


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_copied_output_folder_is_finished(engine: Engine, photos: Path, *, keep_times: bool) -> None:
    batch = Batch(Job(Options(), keep_times=keep_times))
    run_batch(engine, plan_of(photos), batch)
    for output in (photos.parent / "out").glob("*.jpg"):
        os.utime(output, (1e9, 1e9))
    assert statuses(run_batch(engine, plan_of(photos), batch))["resumed"] == 4


def test_lines_of_earlier_versions_stay_valid(engine: Engine, photos: Path) -> None:
    run_batch(engine, plan_of(photos), SETTINGS)
    path = photos.parent / "out" / KEPT / JOURNAL
    new = ("path", "source_sha256", "written", "output_sha256")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    old = [{name: value for name, value in line.items() if name not in new} for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in old))
    assert statuses(run_batch(engine, plan_of(photos), SETTINGS))["resumed"] == 4
    photos.rename(photos.parent / "moved")
    assert statuses(run_batch(engine, plan_of(photos.parent / "moved"), SETTINGS))["resumed"] == 4


def test_photos_of_two_folders_that_look_alike_are_told_apart(engine: Engine, tmp_path: Path) -> None:
    """Uncompressed scans have one size, and some software gives all files one time."""
    for number, folder in enumerate(("a", "b")):
        photo = tmp_path / folder / "001.tif"
        photo.parent.mkdir()
        pyvips.Image.new_from_array(picture(seed=number)).tiffsave(str(photo))
        os.utime(photo, (1e9, 1e9))
    first, second = (make_plan([f"{tmp_path}/{folder}/001.tif"], f"{tmp_path}/out/") for folder in ("a", "b"))
    assert run_batch(engine, first, SETTINGS).count("done") == 1
    assert look_ahead(engine, second, SETTINGS) == {"source changed": 1}
    (tmp_path / "a").rename(tmp_path / "moved")
    moved = make_plan([f"{tmp_path}/moved/001.tif"], f"{tmp_path}/out/")
    assert run_batch(engine, moved, SETTINGS).count("resumed") == 1


def test_interruption_before_the_output_gets_its_name(
    engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the journal's line and the renaming of the output makes the photo be done again, once."""
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
    assert statuses(run_batch(engine, plan, SETTINGS)) == {"done": 4, "resumed": 0, "failed": 5}


@pytest.mark.slow
def test_truncated_line_of_the_journal(engine: Engine, photos: Path) -> None:
    run_batch(engine, plan_of(photos), SETTINGS)
    path = photos.parent / "out" / KEPT / JOURNAL
    lines = path.read_bytes()
    path.write_bytes(lines[:-30])
    assert statuses(run_batch(engine, plan_of(photos), Batch(Job(Options()), overwrite=True)))["done"] == 1
    assert path.read_bytes().count(b"\n") == 4
    assert statuses(run_batch(engine, plan_of(photos), SETTINGS))["resumed"] == 4


@pytest.mark.slow
def test_partial_files_of_a_killed_process_are_deleted(engine: Engine, photos: Path) -> None:
    out = photos.parent / "out"
    out.mkdir()
    rubbish = (".chromalab-x1.part", ".chromalab-x2.spool", ".it's é 0.jpg.json.x3.part")
    for name in (*rubbish, ".keep", "mine.part"):
        (out / name).write_bytes(b"x")
    run_batch(engine, plan_of(photos), SETTINGS)
    assert not {path.name for path in out.iterdir()}.intersection(rubbish)
    assert (out / ".keep").is_file()
    assert (out / "mine.part").is_file()


@pytest.mark.parametrize("first", ["out/sub/it's é 0.jpg", "out/"])
def test_a_batch_leaves_the_partial_files_of_another_process(
    engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Two batches have different journals if one folder is inside the other, and a single photo has none."""
    (photos / "sub").mkdir()
    photo = (photos / "it's é 0.jpg").rename(photos / "sub" / "it's é 0.jpg")
    written, second = batches.write_sidecar, make_plan([str(photos / "it's é 1.jpg")], f"{photos.parent}/out/sub/")
    results = []

    def write_sidecar(*arguments: Any) -> None:
        monkeypatch.setattr(batches, "write_sidecar", written)
        results.append(run_batch(engine, second, SETTINGS))
        written(*arguments)

    monkeypatch.setattr(batches, "write_sidecar", write_sidecar)
    plan = make_plan([str(photo if first.endswith("jpg") else photos)], f"{photos.parent}/{first}")
    results.append(run_batch(engine, plan, SETTINGS))
    assert [summary.count("failed") for summary in results] == [0, 0 if first.endswith("jpg") else 5]


def test_a_deleted_partial_file_fails_one_photo(engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_sidecar(item: Item, *_: Any) -> None:
        for partial in item.output.parent.glob(".chromalab-*"):
            if "0" in item.name:
                partial.unlink()

    monkeypatch.setattr(batches, "write_sidecar", write_sidecar)
    summary = run_batch(engine, plan_of(photos), SETTINGS)
    assert statuses(summary) == {"done": 3, "resumed": 0, "failed": 6}
    assert any("deleted the unfinished file" in reason for reason, _, _ in summary.reasons())


def test_second_batch_in_the_same_folder_is_refused(engine: Engine, photos: Path) -> None:
    with open_journal(photos.parent / "out"), pytest.raises(UsageError, match="another process"):
        run_batch(engine, plan_of(photos), SETTINGS)


def test_a_disk_without_locks_does_not_stop_a_batch(
    engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_file: object, _operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    assert run_batch(engine, plan_of(photos), SETTINGS).count("done") == 4


def test_number_of_workers_does_not_change_outputs(engine: Engine, photos: Path) -> None:
    run_batch(engine, make_plan([str(photos)], f"{photos.parent}/one/"), SETTINGS)
    run_batch(engine, make_plan([str(photos)], f"{photos.parent}/four/"), Batch(Job(Options()), workers=4))
    for path in (photos.parent / "one").glob("*.jpg"):
        assert path.read_bytes() == (photos.parent / "four" / path.name).read_bytes()


def test_full_disk_ends_the_batch(engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(batches, "colorize_file", full)
    with pytest.raises(OutputError, match="full"):
        run_batch(engine, plan_of(photos), SETTINGS)


def test_unexpected_error_fails_one_photo(engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(engine: Engine, source: Path, *arguments: Any, **options: Any) -> Any:
        if source.name.endswith("1.jpg"):
            raise ZeroDivisionError("by nobody")
        return colorize_file(engine, source, *arguments, **options)

    monkeypatch.setattr(batches, "colorize_file", trip)
    summary = run_batch(engine, plan_of(photos), SETTINGS)
    assert summary.count("done") == 3
    assert any("please report it: ZeroDivisionError: by nobody" in reason for reason, _, _ in summary.reasons())


def test_hint_outside_fails_the_photo(engine: Engine, photos: Path) -> None:
    wrong = Batch(Job(Options(hints=[Hint(x=5000, y=0, color="#ff0000")])))
    assert "outside the photo" in run_batch(engine, plan_of(photos), wrong).reasons()[0][0]


def test_single_output_file(engine: Engine, photos: Path) -> None:
    target = photos.parent / "x" / "y.png"
    plan = make_plan([str(photos / "it's é 0.jpg")], str(target))
    assert statuses(run_batch(engine, plan, Batch(Job(Options()), sidecar=False)))["done"] == 1
    assert [path.name for path in target.parent.iterdir()] == ["y.png"]
    with pytest.raises(UsageError, match="--overwrite"):
        run_batch(engine, plan, SETTINGS)
    assert statuses(run_batch(engine, plan, Batch(Job(Options()), overwrite=True)))["done"] == 1


def test_paths_that_cannot_be_written_or_read_fail_alone(engine: Engine, tmp_path: Path, permissions: None) -> None:
    for name in ("a.jpg", "closed/sub/b.jpg", "file/c.jpg", "readonly/d.jpg", "e.jpg"):
        save(tmp_path / "in" / name, picture())
    out = tmp_path / "out"
    (out / "readonly").mkdir(parents=True)
    (out / "closed").mkdir()
    (out / "file").write_bytes(b"in the way")
    (out / "readonly").chmod(0o555)
    (out / "closed").chmod(0)
    (tmp_path / "in" / "e.jpg").chmod(0)
    summary = run_batch(engine, make_plan([str(tmp_path / "in")], f"{out}/"), SETTINGS)
    reasons = {photo.source.rpartition("/")[2]: photo.reason for photo in summary.photos}
    assert reasons.pop("a.jpg") is None
    assert reasons.pop("e.jpg") == "permission denied"
    assert "a file of that name is in the way" in (reasons.pop("c.jpg") or "")
    assert all("no permission" in (reason or "") for reason in reasons.values()), reasons
    (out / "closed").chmod(0o755)
    (out / "readonly").chmod(0o755)


def test_large_photo_in_a_folder_that_cannot_be_written_fails_alone(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, permissions: None
) -> None:
    monkeypatch.setattr("chromalab.photo.scan.WHOLE_PIXELS", 1000)
    for name in ("a.jpg", "readonly/b.jpg"):
        save(tmp_path / "in" / name, picture())
    (tmp_path / "out" / "readonly").mkdir(parents=True)
    (tmp_path / "out" / "readonly").chmod(0o555)
    summary = run_batch(engine, make_plan([str(tmp_path / "in")], f"{tmp_path}/out/"), SETTINGS)
    (tmp_path / "out" / "readonly").chmod(0o755)
    assert statuses(summary) == {"done": 1, "resumed": 0, "failed": 1}
    assert "no permission" in summary.reasons()[0][0]


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_photo_that_vanishes_fails_alone(
    engine: Engine, photos: Path, monkeypatch: pytest.MonkeyPatch, *, keep_times: bool
) -> None:
    def vanish(path: Path, **options: Any) -> Any:
        scan = open_scan(path, **options)
        if path.name.endswith("1.jpg"):
            path.unlink()
        return scan

    monkeypatch.setattr("chromalab.colorization.colorizer.open_scan", vanish)
    summary = run_batch(engine, plan_of(photos), Batch(Job(Options(), keep_times=keep_times)))
    assert statuses(summary) == {"done": 3, "resumed": 0, "failed": 6}
    assert any("no such file" in reason for reason, _, _ in summary.reasons())


def test_output_with_too_long_a_path_fails_alone(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(Path("in") / "a.jpg", picture())
    monkeypatch.chdir("in")
    for _ in range(16):
        Path("d" * 250).mkdir()
        monkeypatch.chdir("d" * 250)
    save(Path("b.jpg"), picture())
    monkeypatch.chdir(tmp_path)
    summary = run_batch(engine, make_plan(["in"], "o" * 200 + "/"), SETTINGS)
    assert statuses(summary) == {"done": 1, "resumed": 0, "failed": 1}
    assert "the name or the path is too long" in summary.reasons()[0][0]


def test_bug_of_the_report_becomes_a_warning(engine: Engine, photos: Path) -> None:
    def trip(*arguments: Any) -> None:
        raise ZeroDivisionError("by nobody")

    summary = run_batch(engine, plan_of(photos), replace(SETTINGS, on_done=trip))
    assert summary.count("done") == 4
    assert all("the report has no entry of it" in photo.warnings[0] for photo in summary.warned)
    assert len(summary.warned) == 4


def test_full_disk_while_the_report_is_written_ends_the_batch(engine: Engine, photos: Path) -> None:
    def full(*arguments: Any) -> None:
        raise OutputError("the disk is full")

    with pytest.raises(OutputError, match="full"):
        run_batch(engine, plan_of(photos), replace(SETTINGS, on_done=full))

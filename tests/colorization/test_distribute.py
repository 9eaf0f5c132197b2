"""Batches in parts give the files of one process, merge their journals, and survive the death of nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chromalab.colorization.batch import Batch, look_ahead, run_batch, settings_sha256
from chromalab.colorization.distribute import PartTask, colorize_part, run_batch_with
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import Plan, make_plan
from chromalab.colorization.records import KEPT
from chromalab.core.errors import UsageError
from chromalab.weights.colorizers import find_colorizer
from tests.colorization.models import constant_ab
from tests.core.backwards import Backwards
from tests.photo.odd_files import picture, save

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Batch(Job(Options()), workers=2)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(find_colorizer(str(constant_ab(tmp_path_factory.mktemp("m") / "brown.onnx", 12, 20))))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with nineteen files in three parts, of which one is not a photo."""
    for number in range(19):
        save(tmp_path / "in" / f"{number:02}.png", picture(seed=number))
    (tmp_path / "in" / "05.png").write_bytes(b"no photo")
    return tmp_path / "in"


def plan_of(photos: Path, name: str) -> Plan:
    return make_plan([str(photos)], f"{photos.parent}/{name}/")


@pytest.mark.slow
def test_parts_give_the_same_outputs_as_one_process(engine: Engine, photos: Path) -> None:
    here, there = plan_of(photos, "here"), plan_of(photos, "there")
    one = run_batch(engine, here, SETTINGS)
    many = run_batch_with(Backwards(), engine, there, SETTINGS, report=True)
    assert [(line.source, line.status, line.reason) for line in many.photos] == [
        (line.source, line.status, line.reason) for line in one.photos
    ]
    assert [line.output for line in many.photos] == [str(item.output) for item in there.items]
    for first, second in zip(here.items, there.items, strict=True):
        assert first.output.exists() == second.output.exists() == (first.output.stem != "05")
        if first.output.exists():
            assert first.output.read_bytes() == second.output.read_bytes()
    assert (photos.parent / "there" / "report" / "index.html").is_file()
    assert not list((photos.parent / "there" / KEPT).rglob("parts/*")), "the journals of parts came together"
    again = run_batch(engine, there, SETTINGS)
    assert (again.count("resumed"), again.count("failed")) == (18, 1)


@pytest.mark.slow
def test_part_of_a_dead_node_fails_until_the_next_run(engine: Engine, photos: Path) -> None:
    plan = plan_of(photos, "out")
    summary = run_batch_with(Backwards(dying=[2]), engine, plan, SETTINGS)
    assert (summary.count("done"), summary.count("failed")) == (15, 4)
    assert summary.photos[-1].reason == "its node or process died"
    summary = run_batch_with(Backwards(), engine, plan, SETTINGS)
    assert (summary.count("resumed"), summary.count("done"), summary.count("failed")) == (15, 3, 1)


@pytest.mark.slow
def test_unreported_work_of_a_node_counts(engine: Engine, photos: Path) -> None:
    plan = plan_of(photos, "out")
    assert plan.folder is not None
    plan.folder.mkdir()
    task = PartTask(
        str(engine.file.path), engine.file.sha256, "cpu", plan.folder, tuple(plan.items[:3]), SETTINGS, report=False,
        settings=settings_sha256(engine, SETTINGS),
    )  # fmt: skip
    first = colorize_part(task)
    written = {item.name: item.output.stat().st_mtime_ns for item in plan.items[:3]}
    assert colorize_part(task) == first, "a part that is tried again repeats no photo"
    assert {item.name: item.output.stat().st_mtime_ns for item in plan.items[:3]} == written
    assert look_ahead(engine, plan, SETTINGS) == {"done": 3, "new": 16}
    assert run_batch(engine, plan, SETTINGS).count("resumed") == 3


def test_nodes_with_other_files_or_versions_are_refused(engine: Engine, photos: Path) -> None:
    plan = plan_of(photos, "out")
    assert plan.folder is not None
    task = PartTask(str(engine.file.path), engine.file.sha256, "cpu", plan.folder, (), SETTINGS, False, "")
    with pytest.raises(UsageError, match="must be on a disk that all nodes share"):
        colorize_part(task)
    plan.folder.mkdir()
    with pytest.raises(UsageError, match="has another file at"):
        colorize_part(replace(task, model_sha256="0" * 64))
    with pytest.raises(UsageError, match=r"the sender 0\.0\.0: install the same"):
        colorize_part(replace(task, version="0.0.0"))
    single = make_plan([str(photos / "00.png")], str(photos.parent / "one.png"))
    with pytest.raises(UsageError, match="give DIR/ as the output"):
        run_batch_with(Backwards(), engine, single, SETTINGS)

from __future__ import annotations

import csv
import dataclasses
import errno
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from chromalab.core.errors import NonFiniteError, OutputError, UsageError
from chromalab.core.progress import Advance
from chromalab.data.photoset import PhotoSet
from chromalab.losses.base import ColorBatch
from chromalab.training import loop
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import CHECKPOINT, MODEL, load_model, weights_sha256
from chromalab.training.job import TrainingJob
from chromalab.training.loop import train
from chromalab.training.models import Models, make_batch

from .conftest import MakeJob

pytestmark = pytest.mark.slow

ADVERSARIAL = "l2 + 0.1*wgan_gp(penalty=10, critic_steps=2)"


class StopError(Exception):
    """Represents an interruption at a step."""


def stop_at(step: int) -> Advance:
    seen = 0

    def advance(items: int = 1, *, note: str = "", resumed: bool = False) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            raise StopError

    return advance


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "train.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_learns_and_writes_its_files(photos: PhotoSet, make_job: MakeJob) -> None:
    job = make_job("l2", sample_every=3, tensorboard=True)
    outcome = train(job, photos, samples=photos.photo(0)[None, :32, :32])
    assert float(rows(job.folder)[-1]["loss"]) < float(rows(job.folder)[0]["loss"])
    assert [row["step"] for row in rows(job.folder)] == ["1", "2", "3", "4", "5", "6"]
    assert sorted(path.name for path in (job.folder / "samples").iterdir()) == ["step_000003.png", "step_000006.png"]
    events = EventAccumulator(str(job.folder / "tensorboard")).Reload()
    assert [(event.step, f"{event.value:.5f}") for event in events.Scalars("l2/share")] == [
        (int(row["step"]), f"{float(row['l2.share']):.5f}") for row in rows(job.folder)
    ]
    assert [image.step for image in events.Images("samples")] == [3, 6]
    assert outcome.initial_sha256 != weights_sha256(outcome.colorizer)


@pytest.mark.parametrize("formula", ["l1", ADVERSARIAL, "cross_entropy + 0.1*class_kl"])
@pytest.mark.slow
def test_a_stopped_run_resumes_exactly(photos: PhotoSet, make_job: MakeJob, formula: str) -> None:
    whole = train(make_job(formula, folder="whole"), photos)
    stopped = make_job(formula, folder="stopped", checkpoint_every_s=0)
    for step in (2, 4):
        with pytest.raises(StopError):
            train(stopped, photos, advance=stop_at(step))
    again = train(stopped, photos)
    assert weights_sha256(again.colorizer) == weights_sha256(whole.colorizer)
    assert rows(stopped.folder) == rows(stopped.folder.parent / "whole")


@pytest.mark.slow
def test_a_killed_run_resumes_exactly(photos: PhotoSet, make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(ADVERSARIAL, folder="killed", checkpoint_every_s=0)
    script = textwrap.dedent(f"""
        import os, pickle, signal
        from chromalab.training.loop import train
        job, photos = pickle.loads(open({str(tmp_path / "job.pickle")!r}, "rb").read())
        steps = 0
        def advance(items=1, *, note="", resumed=False):
            global steps
            steps += 1
            if steps == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        train(job, photos, advance=advance)
    """)
    (tmp_path / "job.pickle").write_bytes(pickle.dumps((job, photos)))
    killed = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, env=os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert (job.folder / CHECKPOINT).exists()
    assert not (job.folder / MODEL).exists()
    again = train(job, photos)
    whole = train(make_job(ADVERSARIAL, folder="whole"), photos)
    assert weights_sha256(again.colorizer) == weights_sha256(whole.colorizer)


def test_objectives_of_a_seed_share_initial_weights_and_crops(photos: PhotoSet, make_job: MakeJob) -> None:
    first, second = (train(make_job(formula, folder=formula), photos) for formula in ("l1", "l2"))
    assert first.initial_sha256 == second.initial_sha256
    # the first rows have common initial weights and a common batch, so their losses measure the same error
    l1, l2 = (float(rows(make_job(folder=name).folder)[0][name]) for name in ("l1", "l2"))
    assert l1**2 < l2


def test_the_loss_of_the_critic_is_logged(photos: PhotoSet, make_job: MakeJob) -> None:
    job = make_job(ADVERSARIAL)
    train(job, photos)
    row = rows(job.folder)[-1]
    assert float(row["l2.share"]) + float(row["wgan_gp.share"]) == pytest.approx(1)
    assert {"critic.loss", "critic.distance", "critic.gradient_norm"} < set(row)


def test_a_frozen_encoder_does_not_change(photos: PhotoSet, make_job: MakeJob) -> None:
    job = make_job()
    optimizer = job.settings.optimizer.model_copy(update={"encoder_factor": 0.0})
    job = dataclasses.replace(job, settings=job.settings.model_copy(update={"optimizer": optimizer}))
    trained = train(job, photos).colorizer.unet.state_dict()
    start, _ = build_colorizer(job.settings.network, "lab", 0)
    for name, tensor in start.unet.state_dict().items():
        assert torch.equal(tensor, trained[name]) == name.startswith("encoder.")


def test_the_term_of_a_value_that_is_not_finite_is_named(
    photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("l1 + l2")

    def poisoned(*args: object) -> tuple[ColorBatch, torch.Tensor]:
        batch, seen = original(*args)  # type: ignore[arg-type]
        batch.target[0, 0, 0, 0] = float("nan")
        return batch, seen

    original = make_batch
    monkeypatch.setattr(loop, "make_batch", poisoned)
    with pytest.raises(NonFiniteError, match="l1 is not finite at step 1: lower the learning rate"):
        train(job, photos)
    assert not (job.folder / MODEL).exists()


def test_a_diverging_run_stops(photos: PhotoSet, make_job: MakeJob) -> None:
    job = make_job()
    optimizer = job.settings.optimizer.model_copy(update={"learning_rate": 1e30})
    job = dataclasses.replace(job, settings=job.settings.model_copy(update={"optimizer": optimizer}))
    with pytest.raises(NonFiniteError, match="is not finite at step"):
        train(job, photos)


def test_clipping_bounds_the_gradient(photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job()
    optimizer = job.settings.optimizer.model_copy(update={"clip_norm": 1e-3})
    job = dataclasses.replace(job, settings=job.settings.model_copy(update={"optimizer": optimizer}))
    norms: list[float] = []
    original = Models.clip_gradients

    def watch(models: Models, settings: object, step: int) -> None:
        original(models, settings, step)  # type: ignore[arg-type]
        gradients = [p.grad.flatten() for p in models.colorizer.parameters() if p.grad is not None]
        norms.append(float(torch.cat(gradients).norm()))

    monkeypatch.setattr(Models, "clip_gradients", watch)
    train(job, photos)
    assert max(norms) <= 1e-3 * (1 + 1e-4)


def test_a_folder_with_other_settings_is_rejected(photos: PhotoSet, make_job: MakeJob) -> None:
    with pytest.raises(StopError):
        train(make_job("l1", checkpoint_every_s=0), photos, advance=stop_at(2))
    with pytest.raises(UsageError, match="holds a run with other settings"):
        train(make_job("l2"), photos)


def test_a_full_disk_is_reported_and_the_run_resumes(
    photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(checkpoint_every_s=0, tensorboard=True)
    written = 0

    def fsync(descriptor: int) -> None:
        nonlocal written
        written += 1
        if written > 5:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OutputError, match="the disk is full"):
            train(job, photos)
    assert not list(job.folder.rglob("*.part"))
    again = train(job, photos)
    whole = train(make_job(folder="whole"), photos)
    assert weights_sha256(again.colorizer) == weights_sha256(whole.colorizer)


def test_a_damaged_checkpoint_is_reported(photos: PhotoSet, make_job: MakeJob) -> None:
    job = make_job()
    job.folder.mkdir()
    (job.folder / CHECKPOINT).write_bytes(b"PK\x03\x04 not quite")
    with pytest.raises(UsageError, match="damaged: delete it"):
        train(job, photos)


def test_an_output_folder_that_is_a_file_is_reported(photos: PhotoSet, make_job: MakeJob) -> None:
    job = make_job()
    job.folder.write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        train(job, photos)


def test_weights_load_back(photos: PhotoSet, make_job: MakeJob) -> None:
    job = make_job()
    outcome = train(job, photos)
    fresh, _ = build_colorizer(job.settings.network, "lab", 7)
    load_model(job.folder, fresh)
    assert weights_sha256(fresh) == weights_sha256(outcome.colorizer)
    in_rgb, _ = build_colorizer(job.settings.network, "rgb", 7)
    with pytest.raises(UsageError, match="does not fit"):
        load_model(job.folder, in_rgb)
    (job.folder / MODEL).write_bytes((job.folder / MODEL).read_bytes()[:1000])
    with pytest.raises(UsageError, match="is damaged or not a file of weights"):
        load_model(job.folder, fresh)
    with pytest.raises(UsageError, match="is not there"):
        load_model(TrainingJob("l2", "lab", 0, job.settings, job.runtime, job.folder / "none").folder, fresh)

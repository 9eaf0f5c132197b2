"""A training started by an earlier version resumes exactly."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import pytest
import torch

from chromalab.data.photoset import PhotoSet
from chromalab.training.checkpoints import CHECKPOINT, load_checkpoint
from chromalab.training.job import TrainingJob
from chromalab.training.loop import train
from chromalab.training.settings import CriticSettings, NetworkSettings

from .conftest import MakeJob

SAVED = Path(__file__).with_name("checkpoint_0.1.0.pt.gz")
"""The checkpoint of `small_job` after three of its six steps, written by version 0.1.0 in November 2026."""


def small_job(make_job: MakeJob, folder: str) -> TrainingJob:
    """Return a job of six steps with a critic and averaged weights, small enough to store its checkpoint here."""
    job = make_job("l2 + 0.1*wgan_gp(penalty=10, critic_steps=1)", folder=folder)
    network = NetworkSettings(
        encoder="vgg16", pretrained=False, width=0.016, head_stride=4, decoder_width=0.02, context=True
    )
    settings = job.settings.model_copy(
        update={
            "network": network,
            "critic": CriticSettings(width=0.01),
            "optimizer": job.settings.optimizer.model_copy(update={"ema_decay": 0.9}),
        }
    )
    return dataclasses.replace(job, settings=settings)


@pytest.mark.slow
def test_a_checkpoint_of_an_earlier_version_resumes(photos: PhotoSet, make_job: MakeJob) -> None:
    whole, resumed = small_job(make_job, "whole"), small_job(make_job, "resumed")
    expected = train(whole, photos).colorizer.state_dict()
    resumed.folder.mkdir()
    (resumed.folder / CHECKPOINT).write_bytes(gzip.decompress(SAVED.read_bytes()))
    state = load_checkpoint(resumed.folder, resumed.sha256(photos))
    assert state is not None
    assert state["step"] == 3
    steps = []

    def advance(items: int = 1, *, note: str = "", resumed: bool = False) -> None:
        steps.append((items, resumed))

    found = train(resumed, photos, advance=advance).colorizer.state_dict()
    assert steps == [(12, True), (4, False), (4, False), (4, False)]
    for name, weights in expected.items():
        torch.testing.assert_close(found[name], weights, rtol=1e-5, atol=1e-6, msg=name)

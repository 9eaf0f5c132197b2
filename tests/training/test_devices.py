"""Two processes train like a single one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing.spawn import start_processes

from chromalab.core.errors import ConfigError, NonFiniteError, UsageError
from chromalab.data.photoset import PhotoSet
from chromalab.losses.compose import build
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import MODEL
from chromalab.training.devices import on_every_device
from chromalab.training.job import TrainingJob
from chromalab.training.loop import train
from chromalab.training.settings import CriticSettings, OptimizerSettings

from .conftest import MakeJob

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def on(devices: int, job: TrainingJob, **changes: object) -> TrainingJob:
    """Return the job on a number of devices, with one step of plain gradient descent at a rate of 1."""
    optimizer = OptimizerSettings(name="sgd", learning_rate=1.0, betas=(0.0, 0.9))
    critic = CriticSettings(width=0.125, optimizer="sgd", learning_rate=1e-2, betas=(0.0, 0.9))
    settings = job.settings.model_copy(
        update={"batch_size": 4, "images": 4, "optimizer": optimizer, "critic": critic, **changes}
    )
    runtime = job.runtime.model_copy(update={"devices": devices})
    folder = job.folder / str(devices)
    return TrainingJob(job.formula, job.color_space, job.seed, settings, runtime, folder)


@pytest.mark.slow
def test_the_gradient_of_two_processes_equals_that_of_one(photos: PhotoSet, make_job: MakeJob) -> None:
    job = make_job("l1 + 0.1*lsgan")
    start = train(on(1, job, images=4), photos)
    halves = train(on(2, job, images=4), photos)
    assert halves.initial_sha256 == start.initial_sha256
    one, two = (load_file(job.folder / str(devices) / MODEL) for devices in (1, 2))
    moved = max(float((tensor - one[name]).abs().max()) for name, tensor in initial(job).items())
    assert moved > 1e-2, "the step must be one that can be seen"
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-5 * moved)


def initial(job: TrainingJob) -> dict[str, torch.Tensor]:
    """Return the weights before the first step."""
    network, _ = build_colorizer(job.settings.network, job.color_space, job.seed, build(job.formula).needs)
    return dict(network.state_dict())


def test_settings_that_require_one_device_are_rejected(photos: PhotoSet, make_job: MakeJob) -> None:
    job = make_job("l2")
    with pytest.raises(ConfigError, match="a batch of 5 can't be shared evenly by 2 devices"):
        train(on(2, job, batch_size=5), photos)
    with pytest.raises(UsageError, match="balanced terms needs one device"):
        train(on(2, job, balance=True), photos)
    with pytest.raises(UsageError, match="measurements on the way needs one device"):
        train(on(2, job), photos, watch=lambda spent, colorizer, *, last: False)


class Forked:
    """Launches work like Fabric, but in a process that imports nothing."""

    def launch(self, work: Callable[..., object], sent: bytes) -> None:
        start_processes(lambda _rank: work(self, sent), nprocs=1, start_method="fork")


def diverge(_fabric: object, step: int) -> None:
    raise NonFiniteError(f"the loss l2 is not finite at step {step}")


def test_an_error_in_a_process_keeps_its_class() -> None:
    with pytest.raises(NonFiniteError, match="the loss l2 is not finite at step 7"):
        on_every_device(cast("Fabric", Forked()), diverge, 7)

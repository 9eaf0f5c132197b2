"""The training loop for one network under one objective.

A run that is interrupted at any point and resumed gives bit-identical results to an uninterrupted run (on a CPU, with
the same number of threads): the crops and random numbers of each step are functions of (seed, step), and a checkpoint
contains everything else.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import torch

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import make_folder
from chromalab.data.feed import AheadFeed, CropFeed
from chromalab.losses.compose import build, parse_formula
from chromalab.losses.plugins import plugin_of
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import drawn_before, load_model, save_bin_weights, save_model
from chromalab.training.devices import make_fabric, on_every_device, set_up_process, share_of
from chromalab.training.job import Spent, TrainingJob, TrainingOutcome, Watch, photos_sha256
from chromalab.training.logbook import Logbook, draw_samples
from chromalab.training.models import Models, make_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from chromalab.core.progress import Advance
    from chromalab.data.photoset import Photographs, WeightedPhotos


def train(
    job: TrainingJob,
    photos: Photographs | Sequence[WeightedPhotos],
    *,
    samples: NDArray[np.uint8] | None = None,
    watch: Watch | None = None,
    advance: Advance | None = None,
) -> TrainingOutcome:
    """Run the training `job` on `photos`, or resume it from its checkpoint.

    Args:
        job: the training job.
        photos: training photos, or several weighted sets.
        samples: photos (K, H, W, 3) to colorize as sample images.
        watch: callback with the network after every step; with averaged weights, with the averaged network.
        advance: callback for the progress display.

    Raises:
        UsageError: a device is missing, the folder contains a run with other settings, or several devices are combined
            with `watch`, balanced terms or losses from plugins, which require a single process.
        ConfigError: the devices can't share a batch evenly.
        NonFiniteError: a loss or gradient is not finite; the message names the term.
        OutputError: the folder can't be written.
    """
    fabric = make_fabric(job.runtime)
    make_folder(job.folder)
    if job.runtime.devices == 1:
        facts = train_here(fabric, job, photos, samples, watch=watch, advance=advance)
    else:
        _check_sharing(job, watched=watch is not None)
        before = drawn_before(job.folder)
        facts = on_every_device(fabric, train_here, job, photos, samples)
        if advance is not None:
            advance(before, resumed=True)
            advance(facts[2].drawn - before)
    colorizer, _ = build_colorizer(job.settings.network, job.color_space, job.seed, build(job.formula).needs)
    load_model(job.folder, colorizer)
    return TrainingOutcome(colorizer.to(fabric.device).eval(), *facts)


def train_here(
    fabric: Fabric,
    job: TrainingJob,
    photos: Photographs | Sequence[WeightedPhotos],
    samples: NDArray[np.uint8] | None,
    *,
    watch: Watch | None = None,
    advance: Advance | None = None,
) -> tuple[str, str, Spent, str, int]:
    """Train in this process (one per device), and return the facts of a `TrainingOutcome`."""
    set_up_process(job.runtime)
    run = Run(fabric, job, photos, samples, watch=watch, advance=advance)
    with open_feed(job, photos) as feed:
        while not run.finished:
            run.step(feed)
    run.save_result()
    models = run.models
    return models.initial_sha256, models.encoder_start, run.spent, str(fabric.device), torch.get_num_threads()


class Run:
    """A training in one process, from its start or its checkpoint to the end of its budget.

    Args:
        fabric: device and precision.
        job: the training job.
        photos: training photos.
        samples: photos (K, H, W, 3) to colorize as sample images.
        watch: callback that evaluates the network after every step.
        advance: callback with the number of crops after every step.
    """

    def __init__(
        self,
        fabric: Fabric,
        job: TrainingJob,
        photos: Photographs | Sequence[WeightedPhotos],
        samples: NDArray[np.uint8] | None,
        *,
        watch: Watch | None,
        advance: Advance | None,
    ) -> None:
        self.fabric, self.job = fabric, job
        self._samples, self._watch, self._advance = samples, watch, advance
        self.models = Models(fabric, job)
        self._fingerprint, self._data = job.sha256(photos), photos_sha256(photos)
        self.spent, rows = self.models.restore(job.folder, self._fingerprint, self._data)
        if fabric.is_global_zero:
            save_bin_weights(job.folder, self.models.objective.bin_weights())
        self._logbook = Logbook(job.folder, rows, tensorboard=job.runtime.tensorboard)
        self._clock = Clock(self.spent.seconds)
        self._saved = time.monotonic()
        self._steps = job.settings.steps if job.settings.minutes is None else None
        self.finished = job.settings.progress(self.spent.drawn, self.spent.seconds) >= 1
        if advance is not None and self.spent.drawn:
            advance(self.spent.drawn, resumed=True)

    def step(self, feed: CropFeed | AheadFeed) -> None:
        """Train on the next crops, then log, evaluate and save if due."""
        settings, runtime, before = self.job.settings, self.job.runtime, self.spent
        progress = settings.progress(before.drawn, before.seconds)
        stage = settings.stage(progress)
        self.finished = settings.is_last(before.drawn, stage.batch_size, before.seconds)
        logs = runtime.logs(before.steps, self._steps, last=self.finished)
        self.models.prepare(before.steps, progress)

        crops = share_of(feed.crops(before.drawn, stage.batch_size, stage.crop_px), self.fabric)
        batch, seen = make_batch(self.models.colorizer, crops, self.fabric, self.job, before.steps)
        losses = self.models.step(batch, seen, before.steps, logs=logs)

        self.spent = Spent(before.steps + 1, before.drawn + stage.batch_size, self._clock.seconds)
        if logs:
            self._logbook.add(losses.row(self.spent))
        if self.fabric.is_global_zero:
            self._draw_samples()
            self._evaluate_and_save()
            if self._advance is not None:
                self._advance(stage.batch_size, note=f"loss {float(losses.total):.4g}")

    def _draw_samples(self) -> None:
        every, steps = self.job.runtime.sample_every, self.spent.steps
        if self._samples is not None and (self.finished or (every and steps % every == 0)):
            draw_samples(self.models.result, self._samples, self.job.folder / "samples", steps)

    def _evaluate_and_save(self) -> None:
        """Evaluate the network, and write a checkpoint if the evaluation requests it or enough time has passed."""
        with self._clock.stopped():
            due = self._watch is not None and self._watch(self.spent, self.models.result, last=self.finished)
        late = time.monotonic() - self._saved >= self.job.runtime.checkpoint_every_s
        if due or (late and not self.finished):
            self._logbook.save()
            self._saved = time.monotonic()
            self.models.save(self.job.folder, self._fingerprint, self._data, self.spent, self._logbook.rows)

    def save_result(self) -> None:
        """Write the log and the trained weights."""
        if self.fabric.is_global_zero:
            self._logbook.save()
            save_model(self.job.folder, self.models.result)


class Clock:
    """Measures training time in seconds, without evaluations."""

    def __init__(self, seconds_before: float) -> None:
        self._started = time.monotonic() - seconds_before

    @property
    def seconds(self) -> float:
        """The training time so far."""
        return time.monotonic() - self._started

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Exclude the time of the block."""
        began = time.monotonic()
        yield
        self._started += time.monotonic() - began


@contextlib.contextmanager
def open_feed(job: TrainingJob, photos: Photographs | Sequence[WeightedPhotos]) -> Iterator[CropFeed | AheadFeed]:
    """Yield the feed of a job's crops; with `workers`, threads prepare crops in advance."""
    stage = job.settings.schedule[0]
    feed = CropFeed(
        photos,
        crop_px=job.settings.largest_crop_px,
        batch_size=stage.batch_size,
        seed=job.seed,
        scale=job.settings.scale,
    )
    if job.runtime.workers == 0:
        yield feed
        return
    with contextlib.closing(AheadFeed(feed, job.runtime.workers)) as ahead:
        yield ahead


def _check_sharing(job: TrainingJob, *, watched: bool) -> None:
    for stage in job.settings.schedule:
        if stage.batch_size % job.runtime.devices:
            raise ConfigError(
                f"a batch of {stage.batch_size} can't be shared evenly by {job.runtime.devices} devices: choose a "
                "multiple (batch_size)"
            )
    kinds = {
        "measurements on the way": watched,
        "balanced terms": job.settings.balance,
        "a budget in minutes": job.settings.minutes is not None,
        "losses from plugins": any(plugin_of(spec.name) for spec in parse_formula(job.formula)),
    }
    for kind, there in kinds.items():
        if there:
            raise UsageError(f"training with {kind} needs one device: omit --devices")

"""The training loop: one network, one objective, seeded crops, from the first step to the last.

A run that is killed at any point and started again ends bit for bit as if it had not been (on a CPU, with the same
number of threads): each step's crops and random numbers are functions of (seed, step), and a checkpoint holds the
rest.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch.optim.swa_utils import AveragedModel

from chromalab.core.errors import ConfigError, UsageError, suggestion
from chromalab.core.files import make_folder
from chromalab.core.hashing import sha256_bytes
from chromalab.core.seeds import derive_seed
from chromalab.data.feed import AheadFeed, CropFeed
from chromalab.losses.base import ColorBatch, CriticLoss
from chromalab.losses.compose import Objective, build, parse_formula
from chromalab.losses.plugins import plugin_of
from chromalab.training.balance import Balancer, check_finite, gradient_facts, term_gradients
from chromalab.training.build import build_colorizer, build_optimizer
from chromalab.training.checkpoints import load_checkpoint, load_model, save_checkpoint, save_model, weights_sha256
from chromalab.training.critic import Opponent
from chromalab.training.degradations import degrade
from chromalab.training.devices import (
    average_gradients,
    check_batch,
    make_fabric,
    on_every_device,
    set_threads,
    share_of,
)
from chromalab.training.logbook import Logbook, Row, draw_samples
from chromalab.training.settings import RuntimeSettings, TrainingSettings, settings_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.core.progress import Advance
    from chromalab.data.library import WeightedPhotos
    from chromalab.data.photoset import Photographs
    from chromalab.nets.unet import Colorizer


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingJob:
    """One run: what to train, on what, and where to leave it.

    Attributes:
        formula: the objective with every name resolved, see `losses.compose`.
        color_space: registry name of the training space.
        seed: decides initial weights, crops, order and the critic's random numbers.
        settings: the rest of what decides the result.
        runtime: where and how to run.
        folder: gets train.csv, checkpoint, samples, and at the end model.safetensors.
        prior: distribution of the training photos' colors over the ab bins, (313,), for losses that rebalance them.
        same_photos: a checkpoint of other photos is refused. A long training outlives its folders: it may resume with
            the photos that are there, with a warning, at the price of a result that cannot be repeated.
    """

    formula: str
    color_space: str
    seed: int
    settings: TrainingSettings
    runtime: RuntimeSettings
    folder: Path
    prior: NDArray[np.float64] | None = None
    same_photos: bool = True

    def sha256(self, photos: Photographs | Sequence[WeightedPhotos]) -> str:
        """Return the hash of everything that a checkpoint of this run must agree with."""
        prior = None if self.prior is None else sha256_bytes(self.prior.tobytes())
        settings = self.settings.deciding()
        data = photos_sha256(photos) if self.same_photos else None
        return settings_sha256(self.formula, self.color_space, self.seed, settings, data, prior)


def photos_sha256(photos: Photographs | Sequence[WeightedPhotos]) -> str:
    """Return the hash of training photographs: of the sets' contents and weights where there are several."""
    if not isinstance(photos, Sequence):
        return photos.data_sha256
    return settings_sha256(*([each.name, each.weight, each.photos.data_sha256] for each in photos))


@dataclass(frozen=True)
class Spent:
    """What a training has spent of its budget.

    Attributes:
        steps: generator updates.
        drawn: crops.
        seconds: training time, that of all parts of a resumed run.
    """

    steps: int = 0
    drawn: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainingOutcome:
    """A finished training: the network and what a record says of it."""

    colorizer: Colorizer
    initial_sha256: str
    encoder_start: str
    spent: Spent
    device: str
    threads: int

    @property
    def seconds(self) -> float:
        """Training time in seconds, that of all parts of a resumed run."""
        return self.spent.seconds


class Watch(Protocol):
    """Is shown the network after every step; its time is not training time."""

    def __call__(self, spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:
        """Look at the network, and return whether a checkpoint should be written now."""


def train(
    job: TrainingJob,
    photos: Photographs | Sequence[WeightedPhotos],
    *,
    samples: NDArray[np.uint8] | None = None,
    watch: Watch | None = None,
    advance: Advance | None = None,
) -> TrainingOutcome:
    """Train as `job` says on `photos`, or resume where an earlier call was stopped.

    Args:
        job: what to train.
        photos: training photographs, or several sets of them with weights.
        samples: photographs (K, H, W, 3) to colorize as sample images.
        watch: shown the network after every step; of a training with averaged weights, the averaged network.
        advance: told of every step.

    Raises:
        UsageError: missing device, the folder holds a run of other settings, or several devices with `watch`, balanced
            terms or losses from plugins, which live in one process alone.
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
        facts = on_every_device(fabric, train_here, job, photos, samples)
        if advance is not None:
            advance(facts[2].drawn)
    colorizer, _ = build_colorizer(job.settings.network, job.color_space, job.seed, build(job.formula).needs)
    load_model(job.folder, colorizer)
    return TrainingOutcome(colorizer.to(fabric.device).eval(), *facts)


def _check_sharing(job: TrainingJob, *, watched: bool) -> None:
    for stage in job.settings.schedule:
        check_batch(stage.batch_size, job.runtime.devices)
    kinds = {
        "measurements on the way": watched,
        "balanced terms": job.settings.balance,
        "a budget in minutes": job.settings.minutes is not None,
        "losses from plugins": any(plugin_of(spec.name) for spec in parse_formula(job.formula)),
    }
    for kind, there in kinds.items():
        if there:
            raise UsageError(f"training with {kind} needs one device: omit --devices")


def train_here(
    fabric: Fabric,
    job: TrainingJob,
    photos: Photographs | Sequence[WeightedPhotos],
    samples: NDArray[np.uint8] | None,
    *,
    watch: Watch | None = None,
    advance: Advance | None = None,
) -> tuple[str, str, Spent, str, int]:
    """Train in this process, one of as many as there are devices, and return the facts of a `TrainingOutcome`."""
    settings, runtime = job.settings, job.runtime
    set_threads(runtime)
    players = Players(fabric, job)
    fingerprint = job.sha256(photos)
    data = photos_sha256(photos)
    spent, rows = players.restore(job.folder, fingerprint, data)
    logbook = Logbook(job.folder, rows, tensorboard=runtime.tensorboard)
    clock = Clock(spent.seconds)
    saved = time.monotonic()
    steps = settings.steps if settings.minutes is None else None
    first, last = fabric.is_global_zero, settings.progress(spent.drawn, spent.seconds) >= 1
    if advance is not None and spent.drawn:
        advance(spent.drawn)

    with open_feed(job, photos) as feed:
        while not last:
            progress = settings.progress(spent.drawn, spent.seconds)
            stage = settings.stage(progress)
            last = settings.is_last(spent.drawn, stage.batch_size, spent.seconds)
            logs = runtime.logs(spent.steps, steps, last=last)
            players.prepare(spent.steps, progress)

            crops = share_of(feed.crops(spent.drawn, stage.batch_size, stage.crop_px), fabric)
            batch, seen = make_batch(players.colorizer, crops, fabric, job, spent.steps)
            total, values, facts, critic_loss = players.step(batch, seen, spent.steps, logs=logs)

            spent = Spent(spent.steps + 1, spent.drawn + stage.batch_size, clock.seconds)
            if logs:
                logbook.add(step_row(spent, total, values, facts, critic_loss))
            if not first:
                continue
            if samples is not None and (last or (runtime.sample_every and spent.steps % runtime.sample_every == 0)):
                draw_samples(players.result, samples, job.folder / "samples", spent.steps)
            with clock.stopped():
                due = watch is not None and watch(spent, players.result, last=last)
            if due or (not last and time.monotonic() - saved >= runtime.checkpoint_every_s):
                logbook.save()
                saved = time.monotonic()
                players.save(job.folder, fingerprint, data, spent, logbook.rows)
            if advance is not None:
                advance(stage.batch_size, note=f"loss {float(total.detach()):.4g}")

    if first:
        logbook.save()
        save_model(job.folder, players.result)
    return players.initial_sha256, players.encoder_start, spent, str(fabric.device), torch.get_num_threads()


class Clock:
    """Training time in seconds, without what is measured on the way."""

    def __init__(self, seconds_before: float) -> None:
        self._started = time.monotonic() - seconds_before

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return time.monotonic() - self._started

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave out the time of the block."""
        began = time.monotonic()
        yield
        self._started += time.monotonic() - began


@contextlib.contextmanager
def open_feed(job: TrainingJob, photos: Photographs | Sequence[WeightedPhotos]) -> Iterator[CropFeed | AheadFeed]:
    """Give the feed of a job's crops, prepared ahead of the training where it asks for that."""
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


class Players:
    """The network, its objective and optimizer, and the opponent where the objective has one.

    Attributes:
        acting: names of the terms that act at the current step.
        result: the network that is measured and kept: the averaged one where weights are averaged.
    """

    def __init__(self, fabric: Fabric, job: TrainingJob) -> None:
        self.fabric = fabric
        self.settings = settings = job.settings
        self.objective = build(job.formula)
        check_schedules(self.objective, settings)
        if job.prior is not None:
            self.objective.use_prior(job.prior)
        self.objective.to(fabric.device)
        self.colorizer, self.encoder_start = build_colorizer(
            settings.network, job.color_space, job.seed, self.objective.needs
        )
        self.initial_sha256 = weights_sha256(self.colorizer)
        optimizer = build_optimizer(
            settings.optimizer.name,
            parameter_groups(self.colorizer, settings),
            learning_rate=settings.optimizer.learning_rate,
            betas=settings.optimizer.betas,
            weight_decay=settings.optimizer.weight_decay,
        )
        self.model, self.optimizer = fabric.setup(self.colorizer, optimizer)
        decay = settings.optimizer.ema_decay
        self.average = WeightAverage(self.colorizer, decay) if decay > 0 else None
        self.result = self.colorizer if self.average is None else cast("Colorizer", self.average.module)
        term = self.objective.adversarial
        self.opponent = None if term is None else Opponent(fabric, term, job.color_space, job.seed, settings)
        self.balancer = Balancer(self.objective) if settings.balance else None
        self.acting: set[str] = set(self.objective.weights)
        self._factors: dict[str, float] = {}

    def prepare(self, step: int, progress: float) -> None:
        """Set rates, the encoder's freedom and the terms' weights for a step at `progress` of the budget."""
        set_rates(self.optimizer, self.settings, step, progress)
        optimizer = self.settings.optimizer
        free = optimizer.encoder_factor > 0 and progress >= optimizer.frozen_share
        self.colorizer.unet.encoder.requires_grad_(requires_grad=free)
        self._factors = {name: term.factor(progress) for name, term in self.settings.terms.items()}
        self.acting = {name for name in self.objective.weights if self._factors.get(name, 1.0) > 0}

    def step(
        self, batch: ColorBatch, seen: Tensor, step: int, *, logs: bool
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, float], CriticLoss | None]:
        """Update the critic and then the colorizer, and return total, terms, facts for the log, and critic's loss."""
        with self.fabric.autocast():  # Fabric's wrapper allows no gradients but those of its own backward
            batch.predict(self.colorizer(seen))
        critic_loss = self.update_critic(batch, step)

        values = self.objective(batch, self.acting)
        check_finite(values | ({"critic": critic_loss.total} if critic_loss is not None else {}), step)
        weights, facts = self.weigh(values, batch, step, logs=logs)
        total = self.objective.total(values, weights)

        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(total)
        average_gradients(self.fabric, self.colorizer)
        self.clip_gradients(self.settings, step)
        self.optimizer.step()
        self.average_weights()
        return total, values, facts, critic_loss

    def update_critic(self, batch: ColorBatch, step: int) -> CriticLoss | None:
        """Train the critic where there is one and its term acts."""
        if self.opponent is None or self.objective.adversarial_name not in self.acting:
            return None
        return self.opponent.update(self.fabric, batch, step)

    def average_weights(self) -> None:
        """Let the moving average follow the weights."""
        if self.average is not None:
            self.average.update_parameters(self.colorizer)

    def scheduled(self, weights: dict[str, float]) -> dict[str, float]:
        """Return the weights of the acting terms at this step of their schedules."""
        return {name: weight * self._factors.get(name, 1.0) for name, weight in weights.items() if name in self.acting}

    def weigh(
        self, values: dict[str, Tensor], batch: ColorBatch, step: int, *, logs: bool
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return the weight of every term at `step`, and what the log says of weights and gradients where it `logs`."""
        looks = self.balancer is not None and self.balancer.wants_look(step, values)
        if len(values) == 1:
            return self.scheduled(self.objective.weights), {f"{name}.share": 1.0 for name in values}
        gradients = term_gradients(values, self.outputs(batch)) if logs or looks else {}
        if self.balancer is None:
            weights = self.scheduled(self.objective.weights)
            return weights, gradient_facts(gradients, weights)
        if looks:
            self.balancer.look(gradients)
        weights = self.scheduled(self.balancer.weights)
        facts = {f"{name}.weight": weight for name, weight in weights.items()} | gradient_facts(gradients, weights)
        return weights, facts

    def outputs(self, batch: ColorBatch) -> list[Tensor]:
        """Return what the network's heads gave for `batch`; a color that was decoded from the bins is none of them."""
        heads = (batch.preds if self.colorizer.regresses else None, batch.bin_logits, batch.class_logits)
        return [output for output in heads if output is not None]

    def clip_gradients(self, settings: TrainingSettings, step: int) -> None:
        """Clip the gradient's norm where asked, and stop if it is not finite."""
        limit = settings.optimizer.clip_norm or float("inf")
        norm = self.fabric.clip_gradients(self.model, self.optimizer, max_norm=limit, error_if_nonfinite=False)
        # Mixed float16 overflows now and then by design: its scaler skips that step.
        if norm is not None and self.fabric._precision.precision != "16-mixed":  # noqa: SLF001 - it has no public name
            check_finite({"the gradient of " + self.objective.formula: norm}, step)

    def save(self, folder: Path, fingerprint: str, data: str, spent: Spent, rows: list[Row]) -> None:
        """Write a checkpoint from which `restore` resumes."""
        state = {
            "settings_sha256": fingerprint,
            "photos_sha256": data,
            "step": spent.steps,
            "drawn": spent.drawn,
            "seconds": spent.seconds,
            "rows": rows,
            "colorizer": self.colorizer.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "opponent": None if self.opponent is None else self.opponent.state_dict(),
            "balance": None if self.balancer is None else self.balancer.state_dict(),
        }
        save_checkpoint(folder, state)

    def restore(self, folder: Path, fingerprint: str, data: str) -> tuple[Spent, list[Row]]:
        """Load the checkpoint where there is one: what it had spent, and its rows."""
        state = load_checkpoint(folder, fingerprint)
        if state is None:
            return Spent(), []
        if state.get("photos_sha256", data) != data:
            _log.warning("the photos have changed since the checkpoint in %s: resuming with the present ones", folder)
        self.colorizer.load_state_dict(state["colorizer"])
        self.optimizer.load_state_dict(state["optimizer"])
        follow_layout(self.optimizer)
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.opponent is not None:
            self.opponent.load_state_dict(state["opponent"])
        if self.balancer is not None:
            self.balancer.load_state_dict(state["balance"])
        drawn = state.get("drawn", state["step"] * self.settings.batch_size)  # older checkpoints have one batch size
        return Spent(state["step"], drawn, state["seconds"]), state["rows"]


def follow_layout(optimizer: torch.optim.Optimizer) -> None:
    """Lay the moments out in memory as their weights are: where layouts differ, a step takes the slow path."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)


def check_schedules(objective: Objective, settings: TrainingSettings) -> None:
    """Check that the schedules are of terms that the objective has, and leave one to begin with.

    Raises:
        ConfigError: they are not.
    """
    names = list(objective.weights)
    for name in settings.terms:
        if name not in names:
            raise ConfigError(f"terms: the objective '{objective.formula}' has no term {name}{suggestion(name, names)}")
    if all(name in settings.terms and settings.terms[name].factor(0.0) == 0 for name in names):
        raise ConfigError(
            f"terms: no term of '{objective.formula}' acts at the start: let one begin at 0 without a ramp"
        )


class WeightAverage(AveragedModel):
    """The exponential moving average of a network's weights.

    The average begins short and grows to its full length: after t steps the decay is at most (1 + t) / (10 + t), as in
    TensorFlow's ExponentialMovingAverage, so that the random start is soon forgotten. Weights that do not train at a
    step are what they were, and so is their average.

    Args:
        network: the network that trains.
        decay: of the average, per step.
    """

    def __init__(self, network: Colorizer, decay: float) -> None:
        super().__init__(network)
        self._decay = decay

    def update_parameters(self, model: torch.nn.Module) -> None:
        """Let the average follow the weights of `model`."""
        pairs = list(zip(self.module.parameters(), model.parameters(), strict=True))
        count = int(self.n_averaged)
        self.n_averaged += 1
        if count == 0:
            for average, weight in pairs:
                average.detach().copy_(weight.detach())
            return
        decay = min(self._decay, (1 + count) / (10 + count))
        averages = [average.detach() for average, weight in pairs if weight.requires_grad]
        weights = [weight.detach() for _, weight in pairs if weight.requires_grad]
        torch._foreach_lerp_(averages, weights, 1 - decay)


def make_batch(
    colorizer: Colorizer, crops: NDArray[np.uint8], fabric: Fabric, job: TrainingJob, step: int
) -> tuple[ColorBatch, Tensor]:
    """Turn crops (B, N, N, 3) into the batch that losses see, without a prediction yet, and the network's input.

    The batch has the clean lightness, so that the losses judge the chroma alone. The network sees the lightness with
    degradations.
    """
    settings, space = job.settings, colorizer.space
    rgb = torch.from_numpy(crops).to(fabric.device).permute(0, 3, 1, 2).float() / 255
    lightness, target = space.encode(rgb)
    seen = lightness
    if settings.degradations.active:
        rank = (fabric.global_rank,) if fabric.global_rank else ()
        generator = torch.Generator().manual_seed(derive_seed(job.seed, "degradations", step, *rank))
        seen = degrade(rgb, space, settings.degradations, generator, lightness=lightness)
    if settings.target_chroma != 1:
        gray = space.grey(lightness)
        target = gray + settings.target_chroma * (target - gray)
        rgb = space.decode(lightness, target).clamp(0, 1)
    return ColorBatch(space, lightness, target, target, rgb), seen


def parameter_groups(colorizer: Colorizer, settings: TrainingSettings) -> Iterable[dict[str, Any]]:
    """Give encoder and decoder their own rates; a factor of 0 freezes the encoder and spares its gradients."""
    rate, factor = settings.optimizer.learning_rate, settings.optimizer.encoder_factor
    encoder = colorizer.unet.encoder
    encoder.requires_grad_(requires_grad=factor > 0)
    inside = {id(parameter) for parameter in encoder.parameters()}
    decoder = [parameter for parameter in colorizer.parameters() if id(parameter) not in inside]
    groups: list[dict[str, Any]] = [{"params": decoder, "lr": rate, "base_lr": rate}]
    if factor > 0:
        groups.append({"params": list(encoder.parameters()), "lr": rate * factor, "base_lr": rate * factor})
    return groups


def set_rates(optimizer: torch.optim.Optimizer, settings: TrainingSettings, step: int, progress: float) -> None:
    """Set every group's learning rate for `step` at `progress` of the budget."""
    factor = settings.optimizer.factor(step, progress, settings.warmed_up)
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def step_row(
    spent: Spent,
    total: Tensor,
    values: dict[str, Tensor],
    facts: dict[str, float],
    critic_loss: CriticLoss | None,
) -> Row:
    """Return what train.csv says of a step."""
    row: Row = {"step": spent.steps, "pictures": spent.drawn, "loss": float(total.detach())}
    row |= {name: float(value.detach().mean()) for name, value in values.items()} | facts
    if critic_loss is not None:
        row["critic.loss"] = float(critic_loss.total.detach())
        row |= {f"critic.{name}": float(value) for name, value in critic_loss.facts.items()}
    return row

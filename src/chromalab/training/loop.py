"""The training loop: one network, one objective, seeded crops, from the first step to the last.

A run that is killed at any point and started again ends bit for bit as if it had not been (on a CPU, with the same
number of threads): each step's crops and random numbers are functions of (seed, step), and a checkpoint holds the
rest.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from chromalab.core.errors import UsageError
from chromalab.core.files import make_folder
from chromalab.core.hashing import sha256_bytes
from chromalab.data.feed import CropFeed
from chromalab.losses.base import ColorBatch, CriticLoss
from chromalab.losses.compose import Objective, parse_formula
from chromalab.losses.plugins import plugin_of
from chromalab.training.balance import Balancer
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import load_checkpoint, load_model, save_checkpoint, save_model, weights_sha256
from chromalab.training.devices import average_gradients, check_batch, on_every_device, share_of
from chromalab.training.diagnostics import check_finite, gradient_facts, term_gradients
from chromalab.training.fabric import make_fabric, set_threads
from chromalab.training.logbook import Logbook, Row
from chromalab.training.opponent import Opponent
from chromalab.training.optimizers import build_optimizer
from chromalab.training.samples import draw_samples
from chromalab.training.settings import RuntimeSettings, TrainingSettings, settings_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy as np
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.core.progress import Advance
    from chromalab.data.photoset import PhotoSet
    from chromalab.nets.unet import Colorizer


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
        prior: distribution of the training photos' colours over the ab bins, (313,), for losses that rebalance them.
    """

    formula: str
    color_space: str
    seed: int
    settings: TrainingSettings
    runtime: RuntimeSettings
    folder: Path
    prior: NDArray[np.float64] | None = None

    def sha256(self, photos: PhotoSet) -> str:
        """Return the hash of everything that decides the result of this run on `photos`."""
        prior = None if self.prior is None else sha256_bytes(self.prior.tobytes())
        settings = self.settings.deciding()
        return settings_sha256(self.formula, self.color_space, self.seed, settings, photos.data_sha256, prior)


@dataclass(frozen=True)
class TrainingOutcome:
    """A finished training: the network and what a record says of it; the time is that of all its parts."""

    colorizer: Colorizer
    initial_sha256: str
    encoder_start: str
    seconds: float
    device: str
    threads: int


def train(
    job: TrainingJob,
    photos: PhotoSet,
    *,
    samples: NDArray[np.uint8] | None = None,
    watch: Callable[[int, Colorizer], None] | None = None,
    advance: Advance | None = None,
) -> TrainingOutcome:
    """Train as `job` says on `photos`, or go on where an earlier call was stopped.

    Args:
        job: what to train.
        photos: training photographs, resized to the crop's size.
        samples: photographs (K, H, W, 3) to colorize as sample pictures.
        watch: shown the network after every step, with the number of steps so far; its time is not training time.
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
            advance(job.settings.steps * job.settings.batch_size)
    colorizer, _ = build_colorizer(job.settings.network, job.color_space, job.seed, Objective.parse(job.formula).needs)
    load_model(job.folder, colorizer)
    return TrainingOutcome(colorizer.to(fabric.device).eval(), *facts)


def _check_sharing(job: TrainingJob, *, watched: bool) -> None:
    check_batch(job.settings.batch_size, job.runtime.devices)
    kinds = {
        "looks on the way": watched,
        "balanced terms": job.settings.balance,
        "losses from plugins": any(plugin_of(spec.name) for spec in parse_formula(job.formula)),
    }
    for kind, there in kinds.items():
        if there:
            raise UsageError(f"{kind} need one device: leave --devices out")


def train_here(
    fabric: Fabric,
    job: TrainingJob,
    photos: PhotoSet,
    samples: NDArray[np.uint8] | None,
    *,
    watch: Callable[[int, Colorizer], None] | None = None,
    advance: Advance | None = None,
) -> tuple[str, str, float, str, int]:
    """Train in this process, one of as many as there are devices, and return the facts of a `TrainingOutcome`."""
    settings, runtime = job.settings, job.runtime
    set_threads(runtime)
    players = Players(fabric, job)
    feed = CropFeed(photos, crop_px=settings.crop_px, batch_size=settings.batch_size, seed=job.seed)
    fingerprint = job.sha256(photos)
    first_step, rows, seconds_before = players.restore(job.folder, fingerprint)
    logbook = Logbook(job.folder, rows, tensorboard=runtime.tensorboard)
    first = fabric.is_global_zero
    if advance is not None and first_step:
        advance(first_step * settings.batch_size)

    started = saved = time.monotonic()
    for step in range(first_step, settings.steps):
        last = step + 1 == settings.steps
        set_rates(players.optimizer, settings, step)
        batch = make_batch(players.colorizer, share_of(feed.batch(step), fabric), fabric.device)
        with fabric.autocast():  # Fabric's wrapper allows no gradients but those of its own backward
            batch.predict(players.colorizer(batch.lightness))
        critic_loss = players.opponent.update(fabric, batch, step) if players.opponent is not None else None

        values = players.objective(batch)
        check_finite(values | ({"critic": critic_loss.total} if critic_loss is not None else {}), step)
        weights, facts = players.weigh(values, batch, step, logs=runtime.logs(step, settings.steps))
        total = players.objective.total(values, weights)
        if runtime.logs(step, settings.steps):
            logbook.add(step_row(step, settings, total, values, facts, critic_loss))

        players.optimizer.zero_grad(set_to_none=True)
        fabric.backward(total)
        average_gradients(fabric, players.colorizer)
        players.clip_gradients(fabric, settings, step)
        players.optimizer.step()

        if not first:
            continue
        if samples is not None and (last or (runtime.sample_every and (step + 1) % runtime.sample_every == 0)):
            draw_samples(players.colorizer, samples, job.folder / "samples", step + 1)
        if watch is not None:
            shown = time.monotonic()
            watch(step + 1, players.colorizer)
            started += time.monotonic() - shown
        if not last and time.monotonic() - saved >= runtime.checkpoint_every_s:
            logbook.save()
            saved = time.monotonic()
            players.save(job.folder, fingerprint, step + 1, logbook.rows, seconds_before + saved - started)
        if advance is not None:
            advance(settings.batch_size, note=f"loss {float(total.detach()):.4g}")

    if first:
        logbook.save()
        save_model(job.folder, players.colorizer)
    return (
        players.initial_sha256,
        players.encoder_start,
        seconds_before + time.monotonic() - started,
        str(fabric.device),
        torch.get_num_threads(),
    )


class Players:
    """The network, its objective and optimizer, and the opponent where the objective has one."""

    def __init__(self, fabric: Fabric, job: TrainingJob) -> None:
        settings = job.settings
        self.objective = Objective.parse(job.formula)
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
        term = self.objective.adversarial
        self.opponent = None if term is None else Opponent(fabric, term, job.color_space, job.seed, settings)
        self.balancer = Balancer(self.objective) if settings.balance else None

    def weigh(
        self, values: dict[str, Tensor], batch: ColorBatch, step: int, *, logs: bool
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return the weight of every term at `step`, and what the log says of weights and gradients where it `logs`."""
        looks = self.balancer is not None and self.balancer.wants_look(step)
        if len(values) == 1:
            return self.objective.weights, {f"{name}.share": 1.0 for name in values}
        gradients = term_gradients(values, self.outputs(batch)) if logs or looks else {}
        if self.balancer is None:
            return self.objective.weights, gradient_facts(gradients, self.objective.weights)
        if looks:
            self.balancer.look(gradients)
        weights = self.balancer.weights
        facts = {f"{name}.weight": weight for name, weight in weights.items()} | gradient_facts(gradients, weights)
        return weights, facts

    def outputs(self, batch: ColorBatch) -> list[Tensor]:
        """Return what the network's heads gave for `batch`; a colour that was decoded from the bins is none of them."""
        heads = (batch.preds if self.colorizer.regresses else None, batch.bin_logits, batch.class_logits)
        return [output for output in heads if output is not None]

    def clip_gradients(self, fabric: Fabric, settings: TrainingSettings, step: int) -> None:
        """Clip the gradient's norm where asked, and stop if it is not finite."""
        limit = settings.optimizer.clip_norm or float("inf")
        norm = fabric.clip_gradients(self.model, self.optimizer, max_norm=limit, error_if_nonfinite=False)
        # Mixed float16 overflows now and then by design: its scaler skips that step.
        if norm is not None and fabric._precision.precision != "16-mixed":  # noqa: SLF001 - it has no public name
            check_finite({"the gradient of " + self.objective.formula: norm}, step)

    def save(self, folder: Path, fingerprint: str, step: int, rows: list[Row], seconds: float) -> None:
        """Write a checkpoint from which `restore` goes on at `step`."""
        state = {
            "settings_sha256": fingerprint,
            "step": step,
            "rows": rows,
            "seconds": seconds,
            "colorizer": self.colorizer.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "opponent": None if self.opponent is None else self.opponent.state_dict(),
            "balance": None if self.balancer is None else self.balancer.state_dict(),
        }
        save_checkpoint(folder, state)

    def restore(self, folder: Path, fingerprint: str) -> tuple[int, list[Row], float]:
        """Load the checkpoint where there is one: the step to go on with, the rows and the seconds before it."""
        state = load_checkpoint(folder, fingerprint)
        if state is None:
            return 0, [], 0.0
        self.colorizer.load_state_dict(state["colorizer"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.opponent is not None:
            self.opponent.load_state_dict(state["opponent"])
        if self.balancer is not None:
            self.balancer.load_state_dict(state["balance"])
        return state["step"], state["rows"], state["seconds"]


def make_batch(colorizer: Colorizer, crops: NDArray[np.uint8], device: torch.device) -> ColorBatch:
    """Turn crops (B, N, N, 3) into the batch that losses see, without a prediction yet."""
    rgb = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2).float() / 255
    lightness, target = colorizer.space.encode(rgb)
    return ColorBatch(colorizer.space, lightness, target, target, rgb)


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


def set_rates(optimizer: torch.optim.Optimizer, settings: TrainingSettings, step: int) -> None:
    """Set every group's learning rate for `step`."""
    factor = settings.optimizer.factor(step, settings.steps)
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def step_row(
    step: int,
    settings: TrainingSettings,
    total: Tensor,
    values: dict[str, Tensor],
    facts: dict[str, float],
    critic_loss: CriticLoss | None,
) -> Row:
    """Return what train.csv says of a step."""
    row: Row = {"step": step + 1, "pictures": (step + 1) * settings.batch_size, "loss": float(total.detach())}
    row |= {name: float(value.detach().mean()) for name, value in values.items()} | facts
    if critic_loss is not None:
        row["critic.loss"] = float(critic_loss.total.detach())
        row |= {f"critic.{name}": float(value) for name, value in critic_loss.facts.items()}
    return row

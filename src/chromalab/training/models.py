"""The models being trained: the update of critic and colorizer in a step, and their state in checkpoints."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch.optim.swa_utils import AveragedModel

from chromalab.core.errors import ConfigError, suggestion
from chromalab.core.seeds import derive_seed
from chromalab.losses.base import ColorBatch, CriticLoss
from chromalab.losses.compose import Objective, build
from chromalab.losses.plugins import explain_plugin_errors
from chromalab.training.balance import Balancer, check_finite, gradient_facts, term_gradients
from chromalab.training.build import build_colorizer, build_optimizer
from chromalab.training.checkpoints import load_checkpoint, save_checkpoint, weights_sha256
from chromalab.training.critic import CriticTrainer
from chromalab.training.degradations import degrade
from chromalab.training.devices import average_gradients
from chromalab.training.job import Spent, TrainingJob

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.nets.encoders import FeatureNet
    from chromalab.nets.unet import Colorizer
    from chromalab.training.logbook import Row
    from chromalab.training.settings import OptimizerSettings, TrainingSettings


_log = logging.getLogger(__name__)


class StepLosses(NamedTuple):
    """The losses of one step.

    Attributes:
        total: the weighted sum, a detached scalar.
        terms: the unweighted value of every acting term and image, (B,) each.
        facts: weights and gradient shares for the log.
        critic: the critic's loss, if it was trained.
    """

    total: Tensor
    terms: dict[str, Tensor]
    facts: dict[str, float]
    critic: CriticLoss | None

    def row(self, spent: Spent) -> Row:
        """Return the row of train.csv for the step after which the budget is `spent`."""
        row: Row = {"step": spent.steps, "pictures": spent.drawn, "loss": float(self.total)}
        row |= {name: float(value.detach().mean()) for name, value in self.terms.items()} | self.facts
        if self.critic is not None:
            row["critic.loss"] = float(self.critic.total.detach())
            row |= {f"critic.{name}": float(value) for name, value in self.critic.facts.items()}
        return row


class Models:
    """The colorizer with its objective and optimizer, and the critic if there is one.

    Attributes:
        acting: names of the terms that act at the current step.
        result: the network that is evaluated and saved: the averaged one if weights are averaged.
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
        self.critic = None if term is None else CriticTrainer(fabric, term, job.color_space, job.seed, settings)
        self.balancer = Balancer(self.objective) if settings.balance else None
        self.acting: set[str] = set(self.objective.weights)
        self._factors: dict[str, float] = {}

    def prepare(self, step: int, progress: float) -> None:
        """Set learning rates, freeze or unfreeze the encoder, and set the terms' weights for a step at `progress`."""
        set_rates(self.optimizer, self.settings, step, progress)
        optimizer = self.settings.optimizer
        free = optimizer.encoder_factor > 0 and progress >= optimizer.frozen_share
        free_encoder(self.colorizer, optimizer, free=free)
        self._factors = {name: term.factor(progress) for name, term in self.settings.terms.items()}
        self.acting = {name for name in self.objective.weights if self._factors.get(name, 1.0) > 0}

    def step(self, batch: ColorBatch, seen: Tensor, step: int, *, logs: bool) -> StepLosses:
        """Update the critic, then the colorizer."""
        with self.fabric.autocast():  # Fabric's wrapper would allow only gradients by its own backward
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
        return StepLosses(total.detach(), values, facts, critic_loss)

    def update_critic(self, batch: ColorBatch, step: int) -> CriticLoss | None:
        """Train the critic if there is one and its term acts."""
        name = self.objective.adversarial_name
        if self.critic is None or name is None or name not in self.acting:
            return None
        with explain_plugin_errors(name):
            return self.critic.update(self.fabric, batch, step)

    def average_weights(self) -> None:
        """Update the moving average of the weights."""
        if self.average is not None:
            self.average.update_parameters(self.colorizer)

    def scheduled(self, weights: dict[str, float]) -> dict[str, float]:
        """Return the weights of the acting terms, multiplied by the factors of their schedules."""
        return {name: weight * self._factors.get(name, 1.0) for name, weight in weights.items() if name in self.acting}

    def weigh(
        self, values: dict[str, Tensor], batch: ColorBatch, step: int, *, logs: bool
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return the weight of every term at `step`, and statistics of weights and gradients for the log."""
        due = self.balancer is not None and self.balancer.is_due(step, values)
        if len(values) == 1:
            return self.scheduled(self.objective.weights), {f"{name}.share": 1.0 for name in values}
        gradients = term_gradients(values, self.outputs(batch)) if logs or due else {}
        if self.balancer is None:
            weights = self.scheduled(self.objective.weights)
            return weights, gradient_facts(gradients, weights)
        if due:
            self.balancer.update(gradients)
        weights = self.scheduled(self.balancer.weights)
        facts = {f"{name}.weight": weight for name, weight in weights.items()} | gradient_facts(gradients, weights)
        return weights, facts

    def outputs(self, batch: ColorBatch) -> list[Tensor]:
        """Return the outputs of the network's heads for `batch`, without a color that was decoded from the bins."""
        heads = (batch.preds if self.colorizer.regresses else None, batch.bin_logits, batch.class_logits)
        return [output for output in heads if output is not None]

    def clip_gradients(self, settings: TrainingSettings, step: int) -> None:
        """Clip the gradient's norm if `clip_norm` is set, and stop if the norm is not finite."""
        limit = settings.optimizer.clip_norm or float("inf")
        norm = self.fabric.clip_gradients(self.model, self.optimizer, max_norm=limit, error_if_nonfinite=False)
        # Mixed float16 overflows occasionally by design: its scaler skips that step.
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
            "opponent": None if self.critic is None else self.critic.state_dict(),
            "balance": None if self.balancer is None else self.balancer.state_dict(),
        }
        save_checkpoint(folder, state)

    def restore(self, folder: Path, fingerprint: str, data: str) -> tuple[Spent, list[Row]]:
        """Load the checkpoint if there is one, and return its spent budget and its log."""
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
        if self.critic is not None:
            self.critic.load_state_dict(state["opponent"])
        if self.balancer is not None:
            self.balancer.load_state_dict(state["balance"])
        drawn = state.get("drawn", state["step"] * self.settings.batch_size)  # old checkpoints have one batch size
        return Spent(state["step"], drawn, state["seconds"]), state["rows"]


def follow_layout(optimizer: torch.optim.Optimizer) -> None:
    """Give the moments the memory layout of their weights, because different layouts slow down a step."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)


def check_schedules(objective: Objective, settings: TrainingSettings) -> None:
    """Check that all schedules belong to terms of the objective, and that a term acts at the start.

    Raises:
        ConfigError: a schedule belongs to no term, or no term acts at the start.
    """
    names = list(objective.weights)
    for name in settings.terms:
        if name not in names:
            raise ConfigError(f"terms: the objective '{objective.formula}' has no term {name}{suggestion(name, names)}")
    if all(name in settings.terms and settings.terms[name].factor(0.0) == 0 for name in names):
        raise ConfigError(
            f"terms: no term of '{objective.formula}' acts at the start: let one start at 0 without a ramp"
        )


class WeightAverage(AveragedModel):
    """The exponential moving average of a network's weights.

    After t steps the decay is at most (1 + t) / (10 + t), as in TensorFlow's ExponentialMovingAverage, so that the
    influence of the random initial weights vanishes quickly. Frozen weights and their averages do not change.

    Args:
        network: the network that is trained.
        decay: decay of the average per step.
    """

    def __init__(self, network: Colorizer, decay: float) -> None:
        super().__init__(network)
        self._decay = decay

    def update_parameters(self, model: torch.nn.Module) -> None:
        """Update the average from the weights of `model`."""
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
    """Return the batch for the losses, without a prediction, and the network's input from crops (B, N, N, 3).

    The batch has the clean lightness, so that losses depend only on the chroma. The network's input is the degraded
    lightness.
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
    """Return parameter groups with the rates of encoder and decoder; a factor of 0 freezes the encoder."""
    rate, factor = settings.optimizer.learning_rate, settings.optimizer.encoder_factor
    encoder = colorizer.unet.encoder
    free_encoder(colorizer, settings.optimizer, free=factor > 0)
    inside = {id(parameter) for parameter in encoder.parameters()}
    decoder = [parameter for parameter in colorizer.parameters() if id(parameter) not in inside]
    groups: list[dict[str, Any]] = [{"params": decoder, "lr": rate, "base_lr": rate}]
    if factor > 0:
        groups.append({"params": list(encoder.parameters()), "lr": rate * factor, "base_lr": rate * factor})
    return groups


def free_encoder(colorizer: Colorizer, optimizer: OptimizerSettings, *, free: bool) -> None:
    """Let the encoder learn, except for its levels that stay frozen, or freeze it."""
    encoder = colorizer.unet.encoder.requires_grad_(requires_grad=free)
    for layer in cast("FeatureNet", encoder).finest(optimizer.frozen_levels):
        layer.requires_grad_(requires_grad=False)


def set_rates(optimizer: torch.optim.Optimizer, settings: TrainingSettings, step: int, progress: float) -> None:
    """Set every group's learning rate for `step` at `progress` of the budget."""
    factor = settings.optimizer.factor(step, progress, settings.warmed_up)
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor

"""What decides the result of a training, and what decides only where and how it runs."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from chromalab.core.errors import UsageError
from chromalab.core.hashing import sha256_file
from chromalab.core.records import Record
from chromalab.weights.colorizers import SHIPPED, shipped_models


class NetworkSettings(Record):
    """The colorizer: a U-Net over an encoder chosen by name.

    Attributes:
        encoder: registry name, see `chromalab list encoders`.
        pretrained: start the encoder from its ImageNet weights.
        width: multiplies the encoder's channels (vgg16 only).
        color_from: where the colour of a pixel comes from: `head`, a regression; `bins`, the annealed mean of the
            distribution over ab bins; `auto`: the bins where the objective has a term over them, else the head.
        start: a `model.safetensors` of an earlier training, an exported `.onnx` file, or the name of a shipped model;
            every tensor of it that fits by name and shape is the initial weight here. None starts the decoder from
            random weights.
    """

    encoder: str = "efficientnet_lite0"
    pretrained: bool = True
    width: float = Field(default=1.0, gt=0, le=4)
    color_from: Literal["auto", "head", "bins"] = "auto"
    start: str | None = None

    def deciding(self) -> dict[str, object]:
        """Return what decides the network: instead of the path of `start`, which may change, the hash of the file.

        Raises:
            UsageError: the file is missing.
        """
        plain = self.model_dump(mode="json", exclude={"start"})
        return plain if self.start is None else plain | {"start": start_sha256(self.start)}


Beta = Annotated[float, Field(ge=0, lt=1)]
OptimizerName = Literal["adam", "adamw", "rmsprop", "sgd"]


class OptimizerSettings(Record):
    """The colorizer's optimizer.

    Attributes:
        name: `adam`, `adamw`, `rmsprop` or `sgd`.
        learning_rate: of the decoder; the chapter's default.
        encoder_factor: the encoder's rate is this times `learning_rate`; 0 freezes it.
        betas: decay of the first and second moments; RMSProp takes the second, SGD the first as its momentum.
        weight_decay: of AdamW decoupled, of the others an L2 penalty.
        schedule: `constant`, or `cosine` down to 0 after a linear warm-up.
        warmup_steps: steps of linear warm-up, with either schedule.
        clip_norm: largest norm of the gradient of all weights; None does not clip.
    """

    name: OptimizerName = "adam"
    learning_rate: float = Field(default=2e-5, gt=0)
    encoder_factor: float = Field(default=1.0, ge=0)
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)

    def factor(self, step: int, steps: int) -> float:
        """Return what the learning rates are multiplied with at `step` of `steps`.

        >>> settings = OptimizerSettings(schedule="cosine", warmup_steps=2)
        >>> [round(settings.factor(step, 10), 2) for step in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.04]
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.schedule == "constant":
            return 1.0
        done = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * done))


class CriticSettings(Record):
    """The critic of adversarial objectives, and its optimizer.

    Attributes:
        network: registry name, see `chromalab list critics`.
        sees: `pair`, the colour with its lightness (a conditional critic); `color`, the colour alone; `rgb`, the
            picture that both make.
        width: multiplies the critic's channels; 1 is as published.
        optimizer: `adam`, `adamw`, `rmsprop` or `sgd`.
        learning_rate: constant; None takes the colorizer's.
        betas: decay of the first and second moments; RMSProp takes the second, SGD the first as its momentum.
    """

    network: str = "chromagan"
    sees: Literal["pair", "color", "rgb"] = "pair"
    width: float = Field(default=1.0, gt=0, le=4)
    optimizer: OptimizerName = "adam"
    learning_rate: float | None = Field(default=None, gt=0)
    betas: tuple[Beta, Beta] = (0.5, 0.999)


class TrainingSettings(Record):
    """Everything that decides the result of a training, given photos, objective, colour space and seed.

    Attributes:
        crop_px: shortest side of the resized photos and side of the square crops.
        batch_size: pictures in a step.
        pictures: crops seen in all.
        balance: weigh the terms of the objective by the norms of their gradients, so that each one's share is that of
            its written weight.
    """

    crop_px: int = Field(default=256, ge=16, le=2048)
    batch_size: int = Field(default=16, ge=1)
    pictures: int = Field(default=100_000, ge=1)
    network: NetworkSettings = NetworkSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    critic: CriticSettings = CriticSettings()
    balance: bool = False

    def deciding(self) -> dict[str, object]:
        """Return the settings as plain data without paths, to be hashed."""
        return self.model_dump(mode="json", exclude={"network"}) | {"network": self.network.deciding()}

    @property
    def steps(self) -> int:
        """Number of generator updates."""
        return math.ceil(self.pictures / self.batch_size)


class RuntimeSettings(Record):
    """Where and how a training runs, and what it tells on the way.

    Attributes:
        device: `auto` takes CUDA where there is one.
        devices: how many of them one training uses, each with its share of every batch; on a CPU, processes.
        precision: `auto` is float32 on a CPU and mixed bfloat16 on CUDA.
        threads: CPU threads of PyTorch; 0 takes the physical cores. Results on a CPU are bit for bit the same only at
            the same number of threads.
        log_every: steps between two rows of train.csv; 0 gives twenty rows to a short run, one every 50 steps to a
            long one.
        sample_every: steps between two sample pictures; 0 draws them at the end only.
        checkpoint_every_s: seconds between two checkpoints.
        tensorboard: write event files beside the CSV.
    """

    device: str = "auto"
    devices: int = Field(default=1, ge=1)
    precision: Literal["auto", "32-true", "16-mixed", "bf16-mixed"] = "auto"
    threads: int = Field(default=0, ge=0)
    log_every: int = Field(default=0, ge=0)
    sample_every: int = Field(default=0, ge=0)
    checkpoint_every_s: float = Field(default=60.0, ge=0)
    tensorboard: bool = True

    def logs(self, step: int, steps: int) -> bool:
        """Return whether `step` of `steps` gets a row; the last one always does."""
        every = self.log_every or max(1, min(50, steps // 20))
        return step % every == 0 or step + 1 == steps


def start_path(start: str) -> Path:
    """Return the file of weights to start from: a shipped model's by its name, else the path itself."""
    return SHIPPED / f"{start}.onnx" if start in shipped_models() else Path(start)


def start_sha256(path: str) -> str:
    """Return the SHA-256 of a file of weights to start from.

    Raises:
        UsageError: it can't be read.
    """
    try:
        return sha256_file(start_path(path))
    except OSError as error:
        raise UsageError(f"the weights to start from can't be read: {path}: {error.strerror}") from error


def settings_sha256(*parts: object) -> str:
    """Return the SHA-256 of settings (records or plain data), independent of the order of keys.

    >>> settings_sha256({"a": 1, "b": 2}) == settings_sha256({"b": 2, "a": 1})
    True
    """
    plain = [part.model_dump(mode="json") if isinstance(part, Record) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

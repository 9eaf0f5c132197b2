"""Settings that determine the result of a training, and settings of the runtime that don't."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from chromalab.core.errors import UsageError
from chromalab.core.files import sha256_file
from chromalab.core.records import Record
from chromalab.training.degradation_settings import DegradationSettings
from chromalab.weights.colorizers import SHIPPED, shipped_models

if TYPE_CHECKING:
    from collections.abc import Collection


class NetworkSettings(Record):
    """Settings of the colorizer, a U-Net over a registered encoder.

    Attributes:
        encoder: registry name, see `chromalab list encoders`.
        pretrained: initialize the encoder with its ImageNet weights.
        width: factor on the encoder's channels (vgg16 only).
        color_from: source of the color: `head`, a regression; `bins`, the annealed mean of the distribution over ab
            bins; `mean`, the mean of both, each trained by its own terms; `auto`, the bins if the objective has a term
            over them, or else the head.
        head_stride: input pixels per pixel of the color head. 1 is the baseline decoder; 4 is a decoder that ends at
            stride 4, like the bins head, and trains several times faster.
        decoder_width: factor on the channels of the stride-4 decoder.
        context: add the mean of the deepest features at every position of the stride-4 decoder.
        start: a `model.safetensors` of an earlier training, an exported `.onnx` file, or the name of a shipped model.
            Its encoder must be that of the network; other tensors become initial weights if name and shape match. None
            means random decoder weights.
    """

    encoder: str = "efficientnet_lite0"
    pretrained: bool = True
    width: float = Field(default=1.0, gt=0, le=4)
    color_from: Literal["auto", "head", "bins", "mean"] = "auto"
    head_stride: Literal[1, 4] = 1
    decoder_width: float = Field(default=1.0, gt=0, le=4)
    context: bool = False
    start: str | None = None

    def deciding(self) -> dict[str, object]:
        """Return the settings for hashing, with the hash of the file `start` in place of its path.

        Raises:
            UsageError: the file is missing.
        """
        plain = self.model_dump(mode="json", exclude={"start", *_unset(self, _ADDED)})
        return plain if self.start is None else plain | {"start": start_sha256(self.start)}


Beta = Annotated[float, Field(ge=0, lt=1)]
OptimizerName = Literal["adam", "adamw", "rmsprop", "sgd"]


ONE_CYCLE_RISE, ONE_CYCLE_START = 0.3, 0.04
"""Share of the budget in which `one_cycle` rises, and its initial factor; both are PyTorch's defaults."""


class OptimizerSettings(Record):
    """Settings of the colorizer's optimizer.

    Attributes:
        name: `adam`, `adamw`, `rmsprop` or `sgd`.
        learning_rate: learning rate of the decoder; the default is that of the chapter.
        encoder_factor: ratio of the encoder's rate to `learning_rate`; 0 freezes the encoder.
        betas: decay of the first and second moments; RMSProp uses the second, SGD the first as its momentum.
        weight_decay: decoupled weight decay for AdamW, an L2 penalty for the others.
        frozen_share: share of the budget at the start in which the encoder is frozen.
        frozen_levels: number of feature maps, the finest first, whose layers in the encoder stay frozen. The layers of
            the finest maps take most of the time of training an encoder and have few of its weights.
        schedule: `constant`; `cosine`, which falls to 0; or `one_cycle`, which rises for 30% of the budget and then
            falls to 0, each along half a cosine (Smith and Topin 2018).
        warmup_steps: number of steps of linear warmup; `one_cycle` ignores it.
        clip_norm: largest norm of the gradient of all weights; None disables clipping.
        ema_decay: decay per step of the exponential moving average of the weights, which is evaluated and exported. 0
            disables averaging.
    """

    name: OptimizerName = "adam"
    learning_rate: float = Field(default=2e-5, gt=0)
    encoder_factor: float = Field(default=1.0, ge=0)
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    frozen_share: float = Field(default=0.0, ge=0, le=1)
    frozen_levels: int = Field(default=0, ge=0, le=4)
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)

    def factor(self, step: int, progress: float, warmed_up: float = 0.0) -> float:
        """Return the factor on the learning rates at `step`.

        Args:
            step: number of steps before this one.
            progress: share of the budget before this step, 0 to 1.
            warmed_up: share of the budget at which the warmup ends and the schedule starts.

        >>> settings = OptimizerSettings(schedule="cosine", warmup_steps=2)
        >>> [round(settings.factor(step, step / 10, 0.2), 2) for step in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.04]
        """
        if step < self.warmup_steps and self.schedule != "one_cycle":
            return (step + 1) / self.warmup_steps
        done = (progress - warmed_up) / max(1e-9, 1 - warmed_up)
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "one_cycle" and done < ONE_CYCLE_RISE:
            return ONE_CYCLE_START + (1 - ONE_CYCLE_START) * 0.5 * (1 - math.cos(math.pi * done / ONE_CYCLE_RISE))
        if self.schedule == "one_cycle":
            done = (done - ONE_CYCLE_RISE) / (1 - ONE_CYCLE_RISE)
        return 0.5 * (1 + math.cos(math.pi * done))


class CriticSettings(Record):
    """Settings of the critic of adversarial objectives, and of its optimizer.

    Attributes:
        network: registry name, see `chromalab list critics`.
        sees: input of the critic: `pair`, the color with its lightness (a conditional critic); `color`, the color
            alone; `rgb`, the image.
        width: factor on the critic's channels; 1 is the published network.
        optimizer: `adam`, `adamw`, `rmsprop` or `sgd`.
        learning_rate: constant learning rate; None means that of the colorizer.
        betas: decay of the first and second moments; RMSProp uses the second, SGD the first as its momentum.
    """

    network: str = "chromagan"
    sees: Literal["pair", "color", "rgb"] = "pair"
    width: float = Field(default=1.0, gt=0, le=4)
    optimizer: OptimizerName = "adam"
    learning_rate: float | None = Field(default=None, gt=0)
    betas: tuple[Beta, Beta] = (0.5, 0.999)


class Stage(Record):
    """A stage of progressive resizing (Howard 2018).

    Attributes:
        crop_px: side of the square crops.
        batch_size: crops per step.
        share: share of the budget; the shares of all stages sum to 1.
    """

    crop_px: int = Field(ge=16, le=2048)
    batch_size: int = Field(ge=1)
    share: float = Field(gt=0, le=1)


class TermSchedule(Record):
    """The schedule of a loss term.

    Attributes:
        start: share of the budget before which its weight is 0 and it is not computed.
        ramp: share of the budget over which its weight then rises linearly to that of the objective.
    """

    start: float = Field(default=0.0, ge=0, lt=1)
    ramp: float = Field(default=0.0, ge=0, le=1)

    def factor(self, progress: float) -> float:
        """Return the factor on the term's weight at `progress`, the spent share of the budget.

        >>> schedule = TermSchedule(start=0.5, ramp=0.2)
        >>> [round(schedule.factor(progress), 2) for progress in (0.4, 0.5, 0.6, 0.8)]
        [0.0, 0.0, 0.5, 1.0]
        """
        if progress < self.start:
            return 0.0
        return min(1.0, (progress - self.start) / self.ramp) if self.ramp > 0 else 1.0


class TrainingSettings(Record):
    """Settings that determine the result of a training, in addition to photos, objective, color space and seed.

    Attributes:
        crop_px: shorter side of the resized photos, and side of the square crops.
        batch_size: crops per step.
        images: total number of crops.
        minutes: budget of training time, which replaces `images`, also for schedules.
        stages: stages of progressive resizing, in order, which replace `crop_px` and `batch_size`. Empty means one
            stage.
        scale: range of random-resized crops: the side of the region as a share of the photo's shorter side is drawn
            from it, and the region is resized to the crop. Photos are then read with a shorter side of up to twice
            the crop. None disables resizing.
        degradations: degradations of the gray input.
        target_chroma: factor on the chroma of the targets.
        terms: schedules of loss terms, by the name of the loss; other terms always act.
        balance: balance the terms by the norms of their gradients, so that the shares equal the written weights.
    """

    model_config = ConfigDict(populate_by_name=True)

    crop_px: int = Field(default=256, ge=16, le=2048)
    batch_size: int = Field(default=16, ge=1)
    images: int = Field(default=100_000, ge=1, validation_alias=AliasChoices("images", "pictures"))
    minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    stages: tuple[Stage, ...] = ()
    scale: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]] | None = None
    degradations: DegradationSettings = DegradationSettings()
    target_chroma: float = Field(default=1.0, gt=0, le=4)
    terms: dict[str, TermSchedule] = {}
    network: NetworkSettings = NetworkSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    critic: CriticSettings = CriticSettings()
    balance: bool = False

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        total = sum(stage.share for stage in self.stages)
        if self.stages and abs(total - 1) > SHARES_TOLERANCE:
            raise ValueError(f"stages: the shares sum to {total:g}, expected 1")
        if self.scale is not None and self.scale[0] > self.scale[1]:
            raise ValueError(f"scale: expected the smaller share first, got {list(self.scale)}")
        return self

    def deciding(self) -> dict[str, object]:
        """Return the settings as plain data without paths, for hashing.

        Settings of later versions are left out if they have their defaults, and `images` keeps its old name, so that
        the hashes of earlier studies do not change.
        """
        plain = self.model_dump(mode="json", exclude={"network", "images", *_unset(self, _ADDED)})
        plain["optimizer"] = self.optimizer.model_dump(mode="json", exclude=_unset(self.optimizer, _ADDED))
        return plain | {"pictures": self.images, "network": self.network.deciding()}

    @property
    def schedule(self) -> tuple[Stage, ...]:
        """The stages, also if there is only one."""
        return self.stages or (Stage(crop_px=self.crop_px, batch_size=self.batch_size, share=1.0),)

    @property
    def largest_crop_px(self) -> int:
        """Side of the largest crops."""
        return max(stage.crop_px for stage in self.schedule)

    @property
    def smallest_crop_px(self) -> int:
        """Side of the smallest crops."""
        return min(stage.crop_px for stage in self.schedule)

    @property
    def steps(self) -> int:
        """Number of generator updates under a budget of images."""
        if not self.stages:
            return math.ceil(self.images / self.batch_size)
        steps = drawn = 0
        while drawn < self.images:
            drawn += self.stage(drawn / self.images).batch_size
            steps += 1
        return steps

    def stage(self, progress: float) -> Stage:
        """Return the stage at `progress`, the spent share of the budget."""
        end = 0.0
        for stage in self.schedule:
            end += stage.share
            if progress < end - SHARES_TOLERANCE:
                return stage
        return self.schedule[-1]

    def progress(self, drawn: int, seconds: float) -> float:
        """Return the share of the budget spent after `drawn` crops or `seconds` of training, at most 1."""
        spent = drawn / self.images if self.minutes is None else seconds / (60 * self.minutes)
        return min(1.0, spent)

    def is_last(self, drawn: int, batch_size: int, seconds: float) -> bool:
        """Return whether a step of `batch_size` crops that starts now is the last one of the budget."""
        if self.minutes is None:
            return drawn + batch_size >= self.images
        return seconds >= 60 * self.minutes

    @property
    def warmed_up(self) -> float:
        """Share of the budget at which the warmup ends; 0 for a budget of time, because the share is not known then."""
        if self.minutes is not None or self.optimizer.schedule == "one_cycle":
            return 0.0
        return min(1.0, self.optimizer.warmup_steps * self.schedule[0].batch_size / self.images)


SHARES_TOLERANCE = 1e-6

_ADDED = frozenset(
    {
        *("minutes", "stages", "scale", "degradations", "target_chroma", "terms"),  # of TrainingSettings
        *("frozen_share", "frozen_levels", "ema_decay"),  # of OptimizerSettings
        *("head_stride", "decoder_width", "context"),  # of NetworkSettings
    }
)
"""Settings that were added after the first studies were recorded."""


def _unset(record: Record, names: Collection[str]) -> set[str]:
    """Return the subset of `names` that are fields of `record` with default values."""
    fields = type(record).model_fields
    return {name for name in names if name in fields and getattr(record, name) == fields[name].default}


class RuntimeSettings(Record):
    """Settings of the device, the log and the checkpoints of a training.

    Attributes:
        device: `cpu`, `cuda` or `auto`, which means CUDA if available.
        devices: number of devices, each with an equal share of every batch; on a CPU, number of processes.
        precision: `auto` is float32 on a CPU and mixed bfloat16 on CUDA. `fast` is mixed bfloat16 also on a CPU that
            multiplies bfloat16 numbers in hardware (AMX, AVX-512 BF16), where a training is about twice as fast.
        threads: PyTorch CPU threads (0 = one per physical core). Results on a CPU are bit-identical only with the same
            number of threads.
        log_every: steps between two rows of train.csv; 0 means twenty rows for a short run and every 50 steps for a
            long run.
        sample_every: steps between two sample images; 0 means only at the end.
        checkpoint_every_s: seconds between two checkpoints.
        workers: number of threads that prepare crops in advance; 0 prepares them between steps.
        tensorboard: also write TensorBoard event files.
    """

    device: str = "auto"
    devices: int = Field(default=1, ge=1)
    precision: Literal["auto", "fast", "32-true", "16-mixed", "bf16-mixed"] = "auto"
    threads: int = Field(default=0, ge=0)
    log_every: int = Field(default=0, ge=0)
    sample_every: int = Field(default=0, ge=0)
    checkpoint_every_s: float = Field(default=60.0, ge=0)
    workers: int = Field(default=0, ge=0)
    tensorboard: bool = True

    def logs(self, step: int, steps: int | None, *, last: bool) -> bool:
        """Return whether to log `step` of `steps` (None if the number is unknown); the last step is always logged."""
        every = self.log_every or (50 if steps is None else max(1, min(50, steps // 20)))
        return step % every == 0 or last


def start_path(start: str) -> Path:
    """Return the path of initial weights: that of a shipped model by its name, or else `start` itself."""
    return SHIPPED / f"{start}.onnx" if start in shipped_models() else Path(start)


def start_sha256(path: str) -> str:
    """Return the SHA-256 of a file of initial weights.

    Raises:
        UsageError: the file can't be read.
    """
    try:
        return sha256_file(start_path(path))
    except OSError as error:
        raise UsageError(f"the weights to start from can't be read: {path}: {error.strerror}") from error


def settings_sha256(*parts: object) -> str:
    """Return the SHA-256 of settings (records or plain data), regardless of the order of keys.

    >>> settings_sha256({"a": 1, "b": 2}) == settings_sha256({"b": 2, "a": 1})
    True
    """
    plain = [part.model_dump(mode="json") if isinstance(part, Record) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

"""Averaged weights, stages, degradations and schedules in the training loop, in runs of a few steps."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from chromalab.color.spaces import SPACES, luma
from chromalab.core.errors import ConfigError
from chromalab.losses.base import LossTerm
from chromalab.losses.compose import Objective
from chromalab.nets.unet import Colorizer
from chromalab.training import loop, models
from chromalab.training.build import build_colorizer
from chromalab.training.checkpoints import CHECKPOINT, MODEL, weights_sha256
from chromalab.training.devices import make_fabric
from chromalab.training.job import Spent, TrainingJob
from chromalab.training.loop import train
from chromalab.training.models import Models, make_batch
from chromalab.training.settings import TrainingSettings

from .test_loop import StopError, rows, stop_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from chromalab.core.progress import Advance
    from chromalab.data.photoset import PhotoSet
    from chromalab.losses.base import ColorBatch, CriticLoss

    from .conftest import MakeJob

pytestmark = pytest.mark.slow

NARROW = {"encoder": "vgg16", "pretrained": False, "width": 0.125}

EVERYTHING: dict[str, Any] = {
    "images": 32,
    "stages": [{"crop_px": 32, "batch_size": 4, "share": 0.5}, {"crop_px": 48, "batch_size": 2, "share": 0.5}],
    "scale": [0.5, 1.0],
    "degradations": {"gamma": 0.5, "grain": 0.5, "jpeg": 0.5},
    "target_chroma": 1.2,
    "terms": {"wgan_gp": {"start": 0.3}, "l1": {"start": 0.2, "ramp": 0.5}},
    "network": NARROW | {"head_stride": 4, "context": True, "decoder_width": 0.25},
    "optimizer": {"learning_rate": 1e-3, "frozen_share": 0.4, "ema_decay": 0.3, "schedule": "one_cycle"},
}
"""All settings that must match in a checkpoint, with 12 steps."""


def with_settings(job: TrainingJob, **changes: Any) -> TrainingJob:
    """Return the job with a narrow network and additional settings."""
    plain = job.settings.model_dump(mode="json") | {"network": NARROW}
    for key, value in changes.items():
        plain[key] = plain[key] | value if isinstance(value, dict) else value
    return dataclasses.replace(job, settings=TrainingSettings.parse(plain, origin="test"))


def crops(photos: PhotoSet) -> NDArray[np.uint8]:
    return photos.photo(0)[None, :32, :32].copy()


class Recorder:
    """A watcher that keeps a copy of the weights after every step."""

    def __init__(self, *, due: int | None = None) -> None:
        self.due = due
        self.weights: list[dict[str, Tensor]] = []
        self.spent: list[Spent] = []

    def __call__(self, spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:
        self.spent.append(spent)
        self.weights.append({name: tensor.clone() for name, tensor in colorizer.state_dict().items()})
        return spent.steps == self.due


def test_averaged_weights_are_a_plain_moving_average(
    photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    decay = 0.3
    job = with_settings(make_job(), optimizer={"ema_decay": decay})
    steps: list[dict[str, Tensor]] = []
    original = Models.average_weights

    def record(models: Models) -> None:
        steps.append({name: tensor.double() for name, tensor in models.colorizer.state_dict().items()})
        original(models)

    monkeypatch.setattr(Models, "average_weights", record)
    watched = Recorder()
    outcome = train(job, photos, watch=watched)
    assert len(steps) == 6
    average = steps[0]
    for count, weights in enumerate(steps):
        now = min(decay, (1 + count) / (10 + count)) if count else 0.0
        average = {name: now * average[name] + (1 - now) * tensor for name, tensor in weights.items()}
        for name, tensor in watched.weights[count].items():
            torch.testing.assert_close(tensor.double(), average[name], rtol=1e-5, atol=1e-7)
    assert {min(decay, (1 + count) / (10 + count)) < decay for count in range(1, 6)} == {True, False}
    saved = load_file(job.folder / MODEL)
    for name, tensor in outcome.colorizer.state_dict().items():
        assert torch.equal(saved[name], tensor)
        torch.testing.assert_close(tensor.double(), average[name], rtol=1e-5, atol=1e-7)
    assert not torch.allclose(saved["unet.head.weight"].double(), steps[-1]["unet.head.weight"], rtol=1e-4)


@pytest.mark.slow
def test_a_training_with_every_setting_resumes_exactly(photos: PhotoSet, make_job: MakeJob) -> None:
    formula = "l2 + 0.5*l1 + 0.1*wgan_gp"
    whole = with_settings(make_job(formula, folder="whole"), **EVERYTHING)
    outcome = train(whole, photos)
    assert (outcome.spent.steps, outcome.spent.drawn) == (12, 32)
    stopped = with_settings(make_job(formula, folder="stopped", checkpoint_every_s=0), **EVERYTHING)
    for step in (2, 3, 4):  # after 2, 4 and 7 steps, the last of each without a checkpoint
        with pytest.raises(StopError):
            train(stopped, photos, advance=stop_after(step))
    again = train(stopped, photos)
    assert weights_sha256(again.colorizer) == weights_sha256(outcome.colorizer)
    assert rows(stopped.folder) == rows(whole.folder)
    assert (again.spent.steps, again.spent.drawn) == (12, 32)


def stop_after(steps: int) -> Advance:
    """Stop after a number of steps of this call, without those before the training was resumed."""
    seen = 0

    def advance(items: int = 1, *, note: str = "", resumed: bool = False) -> None:
        nonlocal seen
        seen += not resumed
        if seen == steps:
            raise StopError

    return advance


def test_the_encoder_is_unfrozen_after_its_share(photos: PhotoSet, make_job: MakeJob) -> None:
    job = with_settings(make_job(), optimizer={"frozen_share": 0.5})
    start = build_colorizer(job.settings.network, "lab", 0)[0].state_dict()
    watched = Recorder()
    train(job, photos, watch=watched)
    same = [
        all(torch.equal(tensor, start[name]) for name, tensor in weights.items() if ".encoder." in name)
        for weights in watched.weights
    ]
    assert same == [True, True, True, False, False, False]
    assert not torch.equal(watched.weights[0]["unet.head.weight"], start["unet.head.weight"])


def test_levels_of_the_encoder_stay_frozen(photos: PhotoSet, make_job: MakeJob) -> None:
    job = with_settings(make_job(), optimizer={"frozen_levels": 3, "ema_decay": 0.5})
    start = build_colorizer(job.settings.network, "lab", 0)[0].state_dict()
    watched = Recorder()
    train(job, photos, watch=watched)
    changed = {name for name, tensor in watched.weights[-1].items() if not torch.equal(tensor, start[name])}
    layers = (0, 2, 5, 7, 10, 12, 14)
    frozen = {f"unet.encoder.features.{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    assert changed == set(start) - frozen


class Spy(LossTerm):
    """A loss term that counts how often it is computed."""

    def __init__(self, term: nn.Module) -> None:
        super().__init__()
        self.term = term
        self.calls = 0

    def forward(self, batch: ColorBatch) -> Tensor:
        self.calls += 1
        value: Tensor = self.term(batch)
        return value


def test_a_term_is_not_computed_before_its_start(
    photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = with_settings(make_job("l2 + 2*l1"), terms={"l1": {"start": 0.5}})
    spies: list[Spy] = []
    original = Models.__init__

    def spied(models: Models, *arguments: Any) -> None:
        original(models, *arguments)
        spies.append(Spy(models.objective.terms["l1"]))
        models.objective.terms["l1"] = spies[-1]

    monkeypatch.setattr(Models, "__init__", spied)
    train(job, photos)
    assert spies[0].calls == 3
    log = rows(job.folder)
    assert [row["l1"] != "" for row in log] == [False] * 3 + [True] * 3
    assert {row["l2.share"] for row in log[:3]} == {"1.0"}
    assert all(0 < float(row["l1.share"]) < 1 for row in log[3:])
    for row in log:
        l1 = 2 * float(row["l1"]) if row["l1"] else 0.0
        assert float(row["loss"]) == pytest.approx(float(row["l2"]) + l1, rel=1e-5)


def test_a_weight_rises_along_its_ramp(photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    job = with_settings(make_job("l2 + 2*l1"), terms={"l1": {"start": 1 / 6, "ramp": 0.5}})
    seen: list[dict[str, float]] = []
    original = Objective.total

    def total(self: Objective, values: Mapping[str, Tensor], weights: Mapping[str, float] | None = None) -> Tensor:
        seen.append(dict(weights or {}))
        return original(self, values, weights)

    monkeypatch.setattr(Objective, "total", total)
    train(job, photos)
    assert [weights["l2"] for weights in seen] == [1] * 6
    assert [weights.get("l1") for weights in seen[:2]] == [None, None]
    assert [weights["l1"] for weights in seen[2:]] == pytest.approx([2 / 3, 4 / 3, 2, 2])


def test_the_critic_is_not_trained_before_its_term_acts(
    photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = with_settings(make_job("l2 + 0.1*wgan_gp"), terms={"wgan_gp": {"start": 0.5}})
    critics: list[str] = []
    original = Models.update_critic

    def update(models: Models, batch: ColorBatch, step: int) -> CriticLoss | None:
        assert models.critic is not None
        critics.append(weights_sha256(models.critic.critic))
        return original(models, batch, step)

    monkeypatch.setattr(Models, "update_critic", update)
    train(job, photos)
    assert len(set(critics[:4])) == 1, "no update before the fourth step"
    assert len(set(critics)) == 3
    assert [bool(row["critic.loss"]) for row in rows(job.folder)] == [False] * 3 + [True] * 3


@pytest.mark.parametrize("space", list(SPACES))
def test_the_factor_on_chroma_keeps_the_lightness(photos: PhotoSet, make_job: MakeJob, space: str) -> None:
    plain = dataclasses.replace(with_settings(make_job()), color_space=space)
    strong = with_settings(plain, target_chroma=1.5)
    fabric = make_fabric(plain.runtime)
    network, _ = build_colorizer(plain.settings.network, space, 0)
    (before, _), (after, seen) = (make_batch(network, crops(photos), fabric, job, 0) for job in (plain, strong))
    gray = SPACES[space].grey(before.lightness)
    assert torch.equal(after.lightness, before.lightness)
    assert torch.equal(seen, before.lightness)
    torch.testing.assert_close(after.target - gray, 1.5 * (before.target - gray))
    if space == "rgb":
        torch.testing.assert_close(luma((after.target + 1) / 2), before.lightness, atol=1e-5, rtol=0)
    decoded = SPACES[space].decode(before.lightness, after.target).clamp(0, 1)
    torch.testing.assert_close(after.target_rgb, decoded)
    assert (after.target_rgb - before.target_rgb).abs().max() > 0.02


def test_losses_use_the_clean_lightness(photos: PhotoSet, make_job: MakeJob) -> None:
    job = with_settings(make_job(), degradations={"gamma": 1.0, "grain": 1.0})
    fabric = make_fabric(job.runtime)
    network, _ = build_colorizer(job.settings.network, "lab", 0)
    clean, same = make_batch(network, crops(photos), fabric, with_settings(make_job()), 0)
    assert torch.equal(same, clean.lightness)
    batch, seen = make_batch(network, crops(photos), fabric, job, 0)
    for name in ("lightness", "target", "target_rgb"):
        assert torch.equal(getattr(batch, name), getattr(clean, name)), name
    assert (seen - clean.lightness).abs().max() > 0.01
    assert torch.equal(make_batch(network, crops(photos), fabric, job, 0)[1], seen), "a function of seed and step"
    assert not torch.equal(make_batch(network, crops(photos), fabric, job, 1)[1], seen)


def test_the_input_of_the_network_is_degraded(
    photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = with_settings(make_job(), degradations={"gamma": 1.0}, images=4)
    inputs: list[Tensor] = []
    original = Colorizer.forward

    def forward(self: Colorizer, lightness: Tensor) -> Any:
        inputs.append(lightness)
        return original(self, lightness)

    def degrade(rgb: Tensor, *arguments: object, **named: object) -> Tensor:
        return torch.full_like(rgb[:, :1], 0.25)

    monkeypatch.setattr(Colorizer, "forward", forward)
    monkeypatch.setattr(models, "degrade", degrade)
    train(job, photos)
    assert len(inputs) == 1
    assert (inputs[0] == 0.25).all()


class FakeTime:
    """A clock that advances by 50 ms whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.05
        return self.now


def timed(job: TrainingJob, minutes: float) -> TrainingJob:
    return with_settings(job, minutes=minutes, optimizer={"warmup_steps": 0})


def test_a_budget_of_minutes_ends_in_time(photos: PhotoSet, make_job: MakeJob) -> None:
    outcome = train(timed(make_job(), 0.02), photos)
    assert 1.2 <= outcome.seconds < 6
    assert outcome.spent.drawn == 4 * outcome.spent.steps
    assert outcome.spent.steps != 6, "`images` has no effect"


def test_a_budget_of_minutes_resumes_with_the_time_already_spent(
    photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "time", FakeTime())
    whole = train(timed(make_job(folder="whole", checkpoint_every_s=0), 0.03), photos)
    assert 1.8 <= whole.seconds < 2.3
    job = timed(make_job(folder="stopped", checkpoint_every_s=0), 0.03)
    with pytest.raises(StopError):
        train(job, photos, advance=stop_at(4))
    watched = Recorder()
    again = train(job, photos, watch=watched)
    assert watched.spent[0].steps == 5
    assert watched.spent[0].seconds > 4 * 0.05
    assert 1.8 <= again.seconds < 2.3
    assert abs(again.spent.steps - whole.spent.steps) <= 2


def test_evaluation_does_not_count_as_training_time(
    photos: PhotoSet, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeTime()
    monkeypatch.setattr(loop, "time", clock)

    def slow(spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:
        clock.now += 1000
        return False

    outcome = train(timed(make_job(), 0.02), photos, watch=slow)
    assert outcome.seconds < 2
    assert outcome.spent.steps > 3


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"huber": {"start": 0.5}}, "the objective 'l2 [+] l1' has no term huber; known are: l1, l2"),
        ({"l22": {"start": 0.5}}, "has no term l22; did you mean 'l2'"),
        ({"l2": {"start": 0.5}, "l1": {"ramp": 0.1}}, "no term of 'l2 [+] l1' acts at the start"),
    ],
)
def test_invalid_schedules_are_rejected(
    photos: PhotoSet, make_job: MakeJob, terms: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(with_settings(make_job("l2 + l1"), terms=terms), photos)


def test_a_checkpoint_is_written_when_the_watcher_requests_it(photos: PhotoSet, make_job: MakeJob) -> None:
    job = with_settings(make_job(checkpoint_every_s=1e9))
    with pytest.raises(StopError):
        train(job, photos, watch=Recorder(due=2), advance=stop_at(4))
    assert torch.load(job.folder / CHECKPOINT, weights_only=True)["step"] == 2
    never = dataclasses.replace(job, folder=job.folder / "never")
    with pytest.raises(StopError):
        train(never, photos, watch=Recorder(), advance=stop_at(4))
    assert not (never.folder / CHECKPOINT).exists()


def test_mixed_bfloat16_trains_on_any_cpu(photos: PhotoSet, make_job: MakeJob) -> None:
    network = NARROW | {"color_from": "mean", "head_stride": 4, "context": True, "decoder_width": 0.25}
    job = make_job("l2 + 0.1*cross_entropy", precision="bf16-mixed")
    job = with_settings(job, network=network, optimizer={"ema_decay": 0.9})
    outcome = train(job, photos)
    single = with_settings(make_job("l2 + 0.1*cross_entropy", folder="single"), network=network)
    train(single, photos)
    mixed, exact = (float(rows(each.folder)[0]["loss"]) for each in (job, single))
    assert mixed != exact
    assert mixed == pytest.approx(exact, rel=0.05)
    for tensor in outcome.colorizer.state_dict().values():
        assert tensor.dtype == torch.float32
        assert tensor.isfinite().all()


def test_the_last_step_is_marked_for_the_watcher(photos: PhotoSet, make_job: MakeJob) -> None:
    marked: list[bool] = []

    def watch(spent: Spent, colorizer: Colorizer, *, last: bool) -> bool:
        marked.append(last)
        return False

    train(with_settings(make_job()), photos, watch=watch)
    assert marked == [False] * 5 + [True]

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from chromalab.core.errors import ConfigError, UsageError
from chromalab.studies.config import StudyConfig
from chromalab.studies.records import RunRecord, StudyRecord
from chromalab.training import devices
from chromalab.training.devices import make_fabric
from chromalab.training.hardware import choose_device, multiplies_bfloat16, physical_cores
from chromalab.training.settings import (
    ONE_CYCLE_RISE,
    ONE_CYCLE_START,
    OptimizerSettings,
    RuntimeSettings,
    Stage,
    TermSchedule,
    TrainingSettings,
    settings_sha256,
)

RESULTS = Path(__file__).resolve().parents[2] / "results"

DEFAULTS_SHA256 = "198c324eac962662f984630c55907cd7786930f8e9813fafe0f8fbc60b400b21"
"""settings_sha256(TrainingSettings().deciding()), computed by the last version without stages, averaged weights
and schedules of terms. The settings of recorded studies must keep their hashes."""

THREE_STAGES = (
    Stage(crop_px=32, batch_size=8, share=0.5),
    Stage(crop_px=64, batch_size=4, share=0.3),
    Stage(crop_px=96, batch_size=2, share=0.2),
)


def test_the_defaults_are_those_of_the_chapter() -> None:
    settings = TrainingSettings()
    assert (settings.crop_px, settings.batch_size, settings.optimizer.learning_rate) == (256, 16, 2e-5)
    assert settings.optimizer.clip_norm is None
    assert settings.optimizer.schedule == "constant"


def test_the_last_step_may_exceed_the_budget() -> None:
    assert TrainingSettings(images=33, batch_size=16).steps == 3


def test_cosine_falls_from_one_to_nearly_zero() -> None:
    settings = OptimizerSettings(schedule="cosine", warmup_steps=4)
    factors = [settings.factor(step, step / 104, 4 / 104) for step in range(104)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[54] == pytest.approx(0.5)
    assert factors[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.99)))
    assert OptimizerSettings().factor(10**6, 1.0) == 1.0


def test_settings_out_of_range_are_rejected() -> None:
    with pytest.raises(ConfigError, match=r"crop_px: .*greater than or equal to 16"):
        TrainingSettings.parse({"crop_px": 8}, origin="study.yaml")
    with pytest.raises(ConfigError, match=r"unknown key 'optimizer.lr'"):
        TrainingSettings.parse({"optimizer": {"lr": 1}}, origin="study.yaml")


def test_different_settings_have_different_hashes() -> None:
    assert settings_sha256(TrainingSettings()) == settings_sha256(TrainingSettings())
    assert settings_sha256(TrainingSettings()) != settings_sha256(TrainingSettings(batch_size=8))


def test_a_missing_device_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(UsageError, match="no CUDA device"):
        choose_device("cuda")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        choose_device("tpu")
    with pytest.raises(UsageError, match="16-mixed needs CUDA"):
        make_fabric(RuntimeSettings(precision="16-mixed"))


def test_threads_are_physical_cores() -> None:
    assert physical_cores() >= 1


def test_the_defaults_keep_the_hash_of_recorded_studies() -> None:
    assert settings_sha256(TrainingSettings().deciding()) == DEFAULTS_SHA256


@pytest.mark.parametrize(
    "change",
    [
        {"minutes": 5},
        {"stages": [{"crop_px": 32, "batch_size": 4, "share": 1}]},
        {"scale": [0.5, 1]},
        {"degradations": {"gamma": 0.5}},
        {"target_chroma": 1.2},
        {"terms": {"l1": {"start": 0.5}}},
        {"optimizer": {"frozen_share": 0.5}},
        {"optimizer": {"ema_decay": 0.9}},
        {"network": {"head_stride": 4}},
        {"network": {"decoder_width": 0.5}},
        {"network": {"context": True}},
    ],
)
def test_every_new_setting_changes_the_hash(change: dict[str, Any]) -> None:
    settings = TrainingSettings.parse(change, origin="test")
    assert settings_sha256(settings.deciding()) != DEFAULTS_SHA256
    assert TrainingSettings.parse(settings.model_dump(mode="json"), origin="test") == settings


EARLY_STUDIES = [path for path in sorted(RESULTS.glob("objective/*/study.json")) if '"pictures"' in path.read_text()]
"""Those that were recorded when the budget was called `pictures` and most of the settings did not exist."""


@pytest.mark.parametrize("path", EARLY_STUDIES, ids=lambda path: path.parent.name)
def test_settings_of_recorded_studies_keep_their_hashes(path: Path) -> None:
    record = StudyRecord.load(path)
    config = StudyConfig.parse(record.config, origin=str(path))
    written = json.loads(path.read_text())["config"]["training"]
    assert config.training.images == written["pictures"]
    # Before the new settings, `deciding` was the plain dump without the path of the initial weights.
    del written["network"]["start"]
    assert settings_sha256(config.training.deciding()) == settings_sha256(written)
    for entry in record.objectives:
        assert entry.training is None or entry.training.images == config.training.images
    for run in path.parent.glob("runs/*/record.json"):
        assert RunRecord.load(run).config_sha256 == record.config_sha256


def test_there_are_early_studies() -> None:
    assert len(EARLY_STUDIES) >= 8


def test_pictures_is_the_old_name_of_images() -> None:
    old = TrainingSettings.parse({"pictures": 77}, origin="study.yaml")
    assert old == TrainingSettings(images=77)
    assert old.deciding()["pictures"] == 77
    assert "images" not in old.deciding()


@pytest.mark.parametrize("shares", [(0.5, 0.4), (0.7, 0.4), (0.5, 0.49)])
def test_shares_of_stages_sum_to_one(shares: tuple[float, ...]) -> None:
    stages = [{"crop_px": 32, "batch_size": 4, "share": share} for share in shares]
    with pytest.raises(ConfigError, match=rf"stages: the shares sum to {sum(shares):g}, expected 1"):
        TrainingSettings.parse({"stages": stages}, origin="recipe.yaml")


def test_shares_of_a_third_sum_to_one() -> None:
    stages = tuple(Stage(crop_px=32, batch_size=4, share=share) for share in (0.333333, 0.333333, 0.333334))
    assert TrainingSettings(stages=stages).stage(1.0) == stages[-1]


def test_a_scale_begins_with_the_smaller_share() -> None:
    with pytest.raises(ConfigError, match=r"scale: expected the smaller share first, got \[0.8, 0.5\]"):
        TrainingSettings.parse({"scale": [0.8, 0.5]}, origin="recipe.yaml")


def test_the_stage_at_a_share_of_the_budget() -> None:
    settings = TrainingSettings(stages=THREE_STAGES)
    found = [settings.stage(progress).crop_px for progress in (0.0, 0.4999, 0.5, 0.7999, 0.8, 0.9, 1.0)]
    assert found == [32, 32, 64, 64, 96, 96, 96]
    assert (settings.smallest_crop_px, settings.largest_crop_px) == (32, 96)
    plain = TrainingSettings(crop_px=48, batch_size=3)
    assert plain.stage(0.0) == plain.stage(1.0) == Stage(crop_px=48, batch_size=3, share=1.0)


@pytest.mark.parametrize("images", [1, 7, 8, 9, 100, 333, 1000])
def test_steps_equal_those_of_a_training(images: int) -> None:
    settings = TrainingSettings(stages=THREE_STAGES, images=images)
    drawn = steps = 0
    last = False
    while not last:
        share = drawn / images
        size = 8 if share < 0.5 else 4 if share < 0.8 - 1e-6 else 2
        last = settings.is_last(drawn, size, 0.0)
        drawn += size
        steps += 1
    assert drawn >= images > drawn - size
    assert settings.steps == steps


def test_progress_and_the_last_step_under_both_budgets() -> None:
    crops = TrainingSettings(images=100)
    assert [crops.progress(drawn, 1e9) for drawn in (0, 25, 100, 130)] == [0.0, 0.25, 1.0, 1.0]
    assert [crops.is_last(drawn, 16, 1e9) for drawn in (83, 84, 90)] == [False, True, True]
    time = TrainingSettings(images=100, minutes=2)
    assert [time.progress(10**6, seconds) for seconds in (0, 30, 120, 130)] == [0.0, 0.25, 1.0, 1.0]
    assert [time.is_last(10**6, 16, seconds) for seconds in (0, 119.9, 120, 130)] == [False, False, True, True]


def test_one_cycle_consists_of_two_half_cosines() -> None:
    settings = OptimizerSettings(schedule="one_cycle", warmup_steps=7)
    factors = [settings.factor(step, step / 1000) for step in range(1001)]
    assert factors[0] == pytest.approx(ONE_CYCLE_START)
    assert factors[150] == pytest.approx((1 + ONE_CYCLE_START) / 2)
    assert factors[300] == pytest.approx(1)
    assert factors[650] == pytest.approx(0.5)
    assert factors[1000] == pytest.approx(0, abs=1e-12)
    assert max(range(1001), key=lambda step: factors[step]) == round(1000 * ONE_CYCLE_RISE)
    steepest = max(abs(after - before) for before, after in pairwise(factors))
    assert steepest < 0.0051, "the steepest slope, pi / (2 * 0.3), is 0.00503 per thousandth of the budget"


def test_one_cycle_equals_that_of_pytorch() -> None:
    settings = OptimizerSettings(schedule="one_cycle")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, 101, pct_start=0.31, div_factor=25, final_div_factor=1e12, cycle_momentum=False
    )
    # With 101 steps and pct_start = 0.31 torch has its peak at step 30.31, ours is at step 30 of 100.
    for step in range(100):
        assert settings.factor(step, step / 100) == pytest.approx(theirs.get_last_lr()[0], abs=0.02)
        optimizer.step()
        theirs.step()


def test_warmup_does_not_shift_one_cycle() -> None:
    optimizer = OptimizerSettings(schedule="one_cycle", warmup_steps=10)
    assert TrainingSettings(optimizer=optimizer, images=1000, batch_size=10).warmed_up == 0
    cosine = optimizer.model_copy(update={"schedule": "cosine"})
    assert TrainingSettings(optimizer=cosine, images=1000, batch_size=10).warmed_up == pytest.approx(0.1)
    assert TrainingSettings(optimizer=cosine, images=1000, stages=THREE_STAGES).warmed_up == pytest.approx(0.08)
    assert TrainingSettings(optimizer=cosine, images=1000, minutes=1).warmed_up == 0


def test_a_term_starts_and_rises_on_schedule() -> None:
    late = TermSchedule(start=0.25, ramp=0.5)
    assert [late.factor(progress) for progress in (0, 0.2499, 0.25, 0.5, 0.75, 1)] == [0, 0, 0, 0.5, 1, 1]
    assert [TermSchedule(start=0.25).factor(progress) for progress in (0.2499, 0.25)] == [0, 1]
    assert TermSchedule().factor(0) == 1


@pytest.mark.parametrize(
    ("asked", "in_hardware", "expected"),
    [
        ("auto", True, "32-true"),
        ("auto", False, "32-true"),
        ("fast", True, "bf16-mixed"),
        ("fast", False, "32-true"),
        ("bf16-mixed", False, "bf16-mixed"),
    ],
)
def test_fast_precision_needs_hardware(
    monkeypatch: pytest.MonkeyPatch, asked: str, in_hardware: bool, expected: str
) -> None:
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: in_hardware)
    runtime = RuntimeSettings.model_validate({"precision": asked, "device": "cpu", "threads": 1})
    assert make_fabric(runtime)._precision.precision == expected


@pytest.mark.parametrize("instructions", ["_is_amx_tile_supported", "_is_avx512_bf16_supported"])
def test_either_kind_of_instructions_multiplies_bfloat16(monkeypatch: pytest.MonkeyPatch, instructions: str) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name == instructions)
    assert multiplies_bfloat16()
    monkeypatch.setattr(torch.cpu, instructions, lambda: False)
    assert not multiplies_bfloat16()


def test_rows_of_the_log() -> None:
    runtime = RuntimeSettings()
    assert [runtime.logs(step, None, last=False) for step in (0, 1, 49, 50)] == [True, False, False, True]
    assert [runtime.logs(step, 100, last=False) for step in (0, 4, 5)] == [True, False, True]
    assert runtime.logs(7, 100, last=True)

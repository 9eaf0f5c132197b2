from __future__ import annotations

import math

import pytest

from chromalab.core.errors import ConfigError, UsageError
from chromalab.training.fabric import make_fabric
from chromalab.training.hardware import choose_device, physical_cores
from chromalab.training.settings import OptimizerSettings, RuntimeSettings, TrainingSettings, settings_sha256


def test_the_defaults_are_the_chapters() -> None:
    settings = TrainingSettings()
    assert (settings.crop_px, settings.batch_size, settings.optimizer.learning_rate) == (256, 16, 2e-5)
    assert settings.optimizer.clip_norm is None
    assert settings.optimizer.schedule == "constant"


def test_the_last_step_may_be_a_part() -> None:
    assert TrainingSettings(pictures=33, batch_size=16).steps == 3


def test_cosine_falls_from_one_to_nearly_nothing() -> None:
    settings = OptimizerSettings(schedule="cosine", warmup_steps=4)
    factors = [settings.factor(step, 104) for step in range(104)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[54] == pytest.approx(0.5)
    assert factors[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.99)))
    assert OptimizerSettings().factor(10**6, 10**6 + 1) == 1.0


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"crop_px: .*greater than or equal to 16"):
        TrainingSettings.parse({"crop_px": 8}, origin="study.yaml")
    with pytest.raises(ConfigError, match=r"unknown key 'optimizer.lr'"):
        TrainingSettings.parse({"optimizer": {"lr": 1}}, origin="study.yaml")


def test_the_hash_tells_settings_apart() -> None:
    assert settings_sha256(TrainingSettings()) == settings_sha256(TrainingSettings())
    assert settings_sha256(TrainingSettings()) != settings_sha256(TrainingSettings(batch_size=8))


def test_a_missing_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
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

"""What a study means by its objectives: formulas, lists of terms, presets, and what stands in for what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chromalab.core.errors import ConfigError, UnknownNameError
from chromalab.losses.plugins import WORDS
from chromalab.losses.registry import LOSSES
from chromalab.studies.config import ObjectiveSettings, StudyConfig, read_objective
from chromalab.studies.objectives import PERCEPTUAL, resolve_objectives
from chromalab.studies.opening import plan_runs
from chromalab.studies.records import ObjectiveRecord
from chromalab.studies.smoke import smoke
from chromalab.training.presets import PRESETS
from chromalab.weights.adding import add_weights

PAPERS = [name for name in PRESETS if not name.startswith("chapter_")]


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test without added weights."""
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))


def study(objectives: dict[str, Any], **changes: object) -> StudyConfig:
    data = {"name": "s", "title": "S", "objectives": objectives, "training": {"crop_px": 96}, **changes}
    return StudyConfig.parse(data, origin="test")


def resolved(written: object, **changes: object) -> ObjectiveRecord:
    (record,) = resolve_objectives(study({"mine": written}, **changes))
    return record


def test_a_list_of_terms_is_the_formula_that_it_spells() -> None:
    terms = ["l2", {"loss": "wgan_gp", "weight": 0.1, "penalty": 5}]
    assert resolved({"loss": terms}).formula == resolved("l2 + 0.1*wgan_gp(penalty=5)").formula
    assert resolved({"loss": ["l2", "2*perceptual"]}).perceptual == "perceptual_lite0"


def test_an_objective_may_have_a_critic_and_an_optimizer_of_its_own() -> None:
    record = resolved(
        {
            "loss": "l2 + 0.1*wgan_gp",
            "critic": {"width": 0.5, "sees": "rgb"},
            "optimizer": {"name": "rmsprop", "learning_rate": 5e-5},
        }
    )
    assert record.training is not None
    assert record.training.critic.sees == "rgb"
    assert record.critic == "chromagan at width 0.5, sees the image in RGB; adam at 5e-05, betas (0.5, 0.999)"
    assert record.optimizer == "rmsprop at 5e-05, betas (0.9, 0.999)"
    run = plan_runs(study({"mine": "l2"}), [record])[0]
    assert run.training == record.training


def test_words_of_objectives_are_no_names_of_losses() -> None:
    assert {PERCEPTUAL, *PRESETS} == WORDS
    assert not WORDS & set(LOSSES)


def test_settings_of_the_study_are_not_repeated_in_objectives() -> None:
    record = resolved("l2")
    assert record.training is None
    assert record.critic is None
    assert record.optimizer is None
    assert record.choices == []


@pytest.mark.parametrize("name", PAPERS)
def test_every_preset_can_be_trained_without_added_weights(name: str) -> None:
    record = resolved(name)
    assert record.preset == name
    assert record.source == PRESETS[name].source
    needs_vgg = "vgg_feature" in PRESETS[name].formula
    assert bool(record.stand_ins) == needs_vgg
    if needs_vgg:
        (published, trained) = next(iter(record.stand_ins.items()))
        assert published in PRESETS[name].formula
        assert trained in record.formula
        assert "perceptual_lite0" in trained


@pytest.mark.slow
def test_a_stand_in_keeps_the_published_weight(shared: Path) -> None:
    assert resolved("chapter_wgan_lpips").stand_ins == {"lpips_vgg": "0.1*perceptual_lite0"}
    add_weights(shared / "data" / "weights" / "squeezenet1_1_features.safetensors")
    record = resolved("chapter_wgan_lpips")
    assert record.stand_ins == {"lpips_vgg": "lpips_squeeze"}
    assert record.formula == "lpips_squeeze + 0.1*wgan_gp(penalty=10, critic_steps=1)"
    assert record.trunks == ["squeezenet1_1"]


@pytest.mark.slow
def test_rates_are_the_studys_unless_the_published_ones_are_asked_for() -> None:
    training = {"optimizer": {"learning_rate": 1e-3}, "critic": {"width": 0.25, "learning_rate": 3e-4}}
    theirs = resolved({"preset": "pix2pix", "optimizer": "published"}, training=training)
    assert theirs.training is not None
    assert theirs.training.optimizer == PRESETS["pix2pix"].optimizer
    assert theirs.training.critic.learning_rate == 2e-4
    ours = resolved("pix2pix", training=training)
    assert ours.training is not None
    assert ours.training.optimizer.learning_rate == 1e-3
    assert (ours.training.critic.network, ours.training.critic.learning_rate) == ("patchgan70", 3e-4)
    assert ours.training.critic.width == theirs.training.critic.width == 0.25


@pytest.mark.slow
def test_a_preset_brings_its_target_chroma_unless_the_study_sets_one() -> None:
    enhanced, own, plain = (
        resolved("ddcolor").training,
        resolved("ddcolor", training={"crop_px": 96, "target_chroma": 1.5}).training,
        resolved("colorformer").training,
    )
    assert enhanced is not None
    assert own is not None
    assert plain is not None
    assert (enhanced.target_chroma, own.target_chroma, plain.target_chroma) == (1.2, 1.5, 1)


def test_published_weights_in_this_projects_units() -> None:
    """ChromaGAN's MSE of 1 on [0, 1] is 0.25 on [-1, 1]; InstColorization's 10 on a sum over two channels is 20."""
    assert PRESETS["chromagan"].formula.startswith("0.25*l2 + 0.003*class_kl + 0.1*wgan_gp(penalty=10")
    assert PRESETS["instcolorization"].formula == "20*huber"
    assert PRESETS["pix2pix"].formula == "100*l1 + gan"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("l3", "unknown loss or preset 'l3'"),
        ("pix2pick", "unknown loss or preset 'pix2pick'; did you mean 'pix2pix'"),
        ({"preset": "pix2pick"}, "did you mean 'pix2pix'"),
        ({"preset": "pix2pix", "loss": "l2"}, "exactly one of the keys 'preset' and 'loss'"),
        ({"loss": "l2", "optimizer": "published"}, "'published' needs a preset"),
        ({"loss": ["l2", {"weight": 3}]}, "with the key 'loss'"),
        ({"loss": [{"loss": "l2", "weight": "much"}]}, "weight must be a number, not 'much'"),
        ({"loss": "l2 + wgan_gp", "critic": {"network": "patchgan71"}}, "unknown critic 'patchgan71'"),
        ("ms_ssim", "needs images of at least 161 px, and crops have 96"),
    ],
)
def test_mistakes_in_objectives_are_reported(written: object, message: str) -> None:
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        resolved(written)


@pytest.mark.parametrize(
    ("formula", "color_from", "untrained"),
    [
        ("l1", "mean", "a bins head, and no term of 'l1' acts on bins"),
        ("cross_entropy", "mean", "a color head, and no term of 'cross_entropy' acts on colors"),
        ("cross_entropy", "head", "a color head, and no term of 'cross_entropy' acts on colors"),
    ],
)
def test_the_color_comes_from_trained_heads_only(formula: str, color_from: str, untrained: str) -> None:
    training = {"crop_px": 96, "network": {"color_from": color_from}}
    with pytest.raises(ConfigError, match=f"mine: color_from '{color_from}' takes the color from {untrained}"):
        resolved(formula, training=training)
    assert resolved(f"{formula} + 2*l2 + 0.1*gaussian_mixture", training=training).training is None


@pytest.mark.parametrize("color_from", ["auto", "bins"])
def test_colors_decoded_from_bins_may_have_any_loss(color_from: str) -> None:
    training = {"crop_px": 96, "network": {"color_from": color_from}}
    for formula in ("l1", "cross_entropy", "cross_entropy + l1"):
        assert resolved(formula, training=training).training is None


def test_a_schedule_must_belong_to_every_objective() -> None:
    config = study({"wgan_l2": "l2 + wgan_gp", "l2": "l2"}, training={"terms": {"wgan_gp": {"start": 0.3}}})
    with pytest.raises(ConfigError, match="terms: the objective 'l2' has no term wgan_gp"):
        resolve_objectives(config)


def test_an_objective_over_bins_is_trained_in_lab() -> None:
    config = study({"mine": "cross_entropy"}, color_spaces=["lab", "rgb"])
    with pytest.raises(ConfigError, match="needs the bins of CIELAB"):
        plan_runs(config, resolve_objectives(config))


@pytest.mark.slow
def test_a_smoke_test_is_as_small_as_its_objectives_allow() -> None:
    assert smoke(study({"mine": "l2"})).training.crop_px == 32
    small = smoke(study({"mine": "ms_ssim", "other": {"loss": "wgan_gp", "critic": {"network": "image"}}}))
    assert small.training.crop_px == 161
    other = small.objectives["other"]
    assert isinstance(other, ObjectiveSettings)
    assert other.critic is not None
    assert other.critic.width == 0.125


def test_a_command_line_names_a_formula_or_a_file(tmp_path: Path) -> None:
    assert read_objective("l2 + l1") == "l2 + l1"
    path = tmp_path / "objective.yaml"
    path.write_text("loss: l2\nbalance: true\n")
    assert read_objective(str(path)) == ObjectiveSettings(loss="l2", balance=True)
    path.write_text("los: l2\n")
    with pytest.raises(ConfigError, match="unknown key 'los'; did you mean 'loss'"):
        read_objective(str(path))
    with pytest.raises(ConfigError, match="no such file"):
        read_objective("nowhere.yaml")

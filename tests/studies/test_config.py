from __future__ import annotations

from pathlib import Path

import pytest

from chromalab.core.errors import ConfigError, UnknownNameError
from chromalab.core.records import PRESET_FILES
from chromalab.studies.config import SAMPLES, StudyConfig, load_config
from chromalab.studies.objectives import resolve_objectives, resolve_perceptual
from chromalab.studies.opening import plan_runs
from chromalab.studies.smoke import smoke
from chromalab.weights.adding import add_weights

CONFIGS = PRESET_FILES / "studies"


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test without added weights."""
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "weights"))


def study(**changes: object) -> StudyConfig:
    return StudyConfig.parse({"name": "s", "title": "S", "objectives": {"l2": "l2"}, **changes}, origin="test")


@pytest.mark.parametrize("title", [{}, {"title": ""}])
def test_the_title_defaults_to_the_name(title: dict[str, str]) -> None:
    config = StudyConfig.parse({"name": "mine", "objectives": {"l2": "l2"}, **title}, origin="test")
    assert config.title == "mine"
    assert study().title == "S"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_open_with_their_command_and_time(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem.replace("-", "_")
    if path.stem in {"quick", "quick-from-imagenet", "photos", "chapter"}:
        assert list(config.objectives) == ["l1", "l2", "perceptual", "wgan_l2", "wgan_perceptual"]
    head = path.read_text().split("name:")[0]
    assert f"chromalab compare run {path.stem} " in head
    assert "\n# Time" in head


def test_the_quick_preset_is_the_samples_and_needs_no_added_weights() -> None:
    config = load_config(CONFIGS / "quick.yaml")
    assert config.data.source == SAMPLES
    objectives = resolve_objectives(config)
    assert len(plan_runs(config, objectives)) == 10
    assert {objective.perceptual for objective in objectives} == {None, "perceptual_lite0"}


def test_the_quick_presets_differ_in_their_start_and_rate_alone() -> None:
    shipped, imagenet = (load_config(CONFIGS / f"{name}.yaml") for name in ("quick", "quick-from-imagenet"))
    assert shipped.training.network.start == "perceptual"
    assert imagenet.training.network.start is None
    words = {"name", "title", "note", "training"}
    assert shipped.model_dump(exclude=words) == imagenet.model_dump(exclude=words)
    network = imagenet.training.network.model_copy(update={"start": "perceptual"})
    optimizer = imagenet.training.optimizer.model_copy(update={"learning_rate": 1e-4})
    assert shipped.training == imagenet.training.model_copy(update={"network": network, "optimizer": optimizer})


def test_the_chapters_numbers_are_its_own() -> None:
    config = load_config(CONFIGS / "chapter.yaml")
    assert config.training.crop_px == 256
    assert config.training.batch_size == 16
    assert config.training.optimizer.learning_rate == 2e-5
    assert config.training.network.encoder == "vgg16"
    assert config.perceptual == "lpips_vgg"


def test_perceptual_is_the_best_that_is_there(shared: Path) -> None:
    assert resolve_perceptual("auto") == "perceptual_lite0"
    add_weights(shared / "data" / "weights" / "squeezenet1_1_features.safetensors")
    assert resolve_perceptual("auto") == "lpips_squeeze"
    assert resolve_perceptual("perceptual_lite0") == "perceptual_lite0"
    with pytest.raises(UnknownNameError, match="did you mean 'lpips_squeeze'"):
        resolve_perceptual("lpips_sqeeze")


def test_the_record_lists_metrics_over_the_trained_network() -> None:
    config = study(objectives={"a": "l2 + perceptual", "b": "l2"}, perceptual="perceptual_lite0")
    first, second = resolve_objectives(config)
    assert first.formula == "l2 + 0.1*perceptual_lite0"
    assert first.perceptual == "perceptual_lite0"
    assert set(first.judges_trained_on) == {
        *("perceptual_lite0", "color_perceptual", "frechet_lite0", "kid_lite0", "semantic_top1"),
    }
    assert second.judges_trained_on == []
    assert second.perceptual is None


def test_a_stopped_study_has_compared_everything_at_some_seeds() -> None:
    config = study(objectives={"a": "l1", "b": "l2"}, color_spaces=["lab", "rgb"], seeds=[5, 6])
    runs = plan_runs(config, resolve_objectives(config))
    assert [run.run_id for run in runs[:4]] == ["a-lab-s5", "b-lab-s5", "a-rgb-s5", "b-rgb-s5"]
    assert len(runs) == 8


def test_intermediate_checkpoints_need_a_budget_in_crops() -> None:
    with pytest.raises(ConfigError, match="looks: shares of a training need a budget in crops"):
        study(looks=[0.5], training={"minutes": 30})


@pytest.mark.slow
def test_smoke_keeps_the_objectives_and_shrinks_the_rest() -> None:
    config = load_config(CONFIGS / "chapter.yaml")
    small = smoke(config)
    assert small.objectives == config.objectives
    assert small.training.steps <= 4
    assert small.data.max_photos == 24
    assert small.training.network.pretrained is False


def test_presets_are_found_by_name_from_any_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(Path("quick")).name == "quick"
    (tmp_path / "quick").write_text("name: mine\ntitle: T\nobjectives: {l2: l2}\n")
    assert load_config(Path("quick")).name == "mine"
    with pytest.raises(ConfigError, match=r"'quik' is neither a file nor a preset; did you mean 'quick'\?"):
        load_config(Path("quik"))

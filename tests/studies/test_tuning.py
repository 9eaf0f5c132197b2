from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Never

import numpy as np
import pytest

from chromalab.core.errors import ChromalabError, NonFiniteError, UsageError
from chromalab.losses.compose import parse_formula
from chromalab.photo.writing import write_png
from chromalab.studies.config import ObjectiveSettings, Round, StudyConfig, TuningSettings, load_config
from chromalab.studies.objectives import resolve_objectives
from chromalab.studies.tuning import (
    TUNING_FILE,
    Configuration,
    TrialRecord,
    TuningRecord,
    configurations,
    criterion,
    ranked,
    tune,
    tuned_study,
    with_configuration,
)
from chromalab.training.loop import train
from chromalab.training.settings import RuntimeSettings

CONFIG = StudyConfig.parse(
    {
        "name": "tiny",
        "title": "A tiny study",
        "data": {"source": "samples", "val_share": 0.4},
        "objectives": {"l1": "l1", "wgan_l2": "l2 + 0.1*wgan_gp(penalty=10)"},
        "seeds": [0, 1],
        "training": {"crop_px": 32, "batch_size": 2, "pictures": 4, "critic": {"width": 0.25, "learning_rate": 2e-4}},
    },
    origin="here",
)
SETTINGS = TuningSettings(
    rounds=[Round(configurations=3, images=4), Round(configurations=2, images=8)], criterion=["delta_e_2000"], photos=2
)
RUNTIME = RuntimeSettings(device="cpu", threads=1, tensorboard=False)


def drawn(name: str, settings: TuningSettings = SETTINGS) -> list[Configuration]:
    objective = next(each for each in resolve_objectives(CONFIG) if each.id == name)
    return configurations(objective, CONFIG.training, settings)


def trial(number: int, value: float | None) -> TrialRecord:
    return TrialRecord(
        objective="l1",
        round=0,
        number=number,
        configuration=Configuration(formula="l1", learning_rate=1e-3),
        images=4,
        seconds=1.0,
        criterion=value,
        failure=None if value is not None else "l1 is not finite",
        sha256="s",
    )


def test_the_first_configuration_is_the_stated_one_and_the_others_lie_in_the_ranges() -> None:
    many = SETTINGS.model_copy(update={"rounds": [Round(configurations=200, images=4)]})
    first, *others = drawn("wgan_l2", many)
    assert first == Configuration(formula="l2 + 0.1*wgan_gp(penalty=10)", learning_rate=2e-5, critic_rate=2e-4)
    rates = np.array([each.learning_rate for each in others])
    assert 3e-4 <= rates.min() < 4e-4
    assert 2.5e-3 < rates.max() <= 3e-3
    # Log-uniform: the median is the geometric mean of the bounds.
    assert np.median(rates) == pytest.approx(np.sqrt(3e-4 * 3e-3), rel=0.2)
    critic = np.array([each.critic_rate for each in others])
    assert 5e-5 <= critic.min() < critic.max() <= 1e-3
    weights = np.array([parse_formula(each.formula)[1].weight for each in others])
    assert 0.01 <= weights.min() < 0.02
    assert 0.5 < weights.max() <= 1.0


def test_an_objective_of_one_term_has_no_weight_and_no_critic_to_draw() -> None:
    assert {each.formula for each in drawn("l1")} == {"l1"}
    assert {each.critic_rate for each in drawn("l1")} == {None}


def test_draws_are_repeatable_and_differ_between_objectives() -> None:
    assert drawn("l1") == drawn("l1")
    assert [each.learning_rate for each in drawn("l1")][1:] != [each.learning_rate for each in drawn("wgan_l2")][1:]
    other = drawn("l1", SETTINGS.model_copy(update={"seed": 7}))
    assert other[0] == drawn("l1")[0]
    assert other[1:] != drawn("l1")[1:]


def test_the_criterion_is_the_geometric_mean_of_ratios_to_gray() -> None:
    assert criterion({"a": 5.0, "b": 0.2}, {"a": 10.0, "b": 0.1}) == pytest.approx(1.0)
    assert criterion({"a": 5.0}, {"a": 10.0}) == pytest.approx(0.5)


def test_trials_are_ranked_without_those_that_diverged() -> None:
    assert [each.number for each in ranked([trial(0, 0.9), trial(1, None), trial(2, 0.8), trial(3, 0.8)])] == [2, 3, 0]
    with pytest.raises(ChromalabError, match="l1: no configuration could be trained"):
        ranked([trial(0, None)])


def test_the_tuned_study_trains_each_objective_with_its_own_settings() -> None:
    found = {
        "l1": Configuration(formula="l1", learning_rate=5e-4),
        "wgan_l2": Configuration(formula="l2 + 0.3*wgan_gp(penalty=10)", learning_rate=1e-3, critic_rate=1e-4),
    }
    tuned = tuned_study(CONFIG, resolve_objectives(CONFIG), found)
    again = StudyConfig.parse(tuned.model_dump(mode="json", exclude_unset=True), origin="here")
    by_name = {each.id: each for each in resolve_objectives(again)}
    own = by_name["wgan_l2"].training
    assert own is not None
    assert (own.optimizer.learning_rate, own.critic.learning_rate, own.critic.width) == (1e-3, 1e-4, 0.25)
    assert by_name["wgan_l2"].formula == "l2 + 0.3*wgan_gp(penalty=10)"
    assert by_name["l1"].training is not None
    assert by_name["l1"].training.optimizer.learning_rate == 5e-4


def test_the_tuned_study_keeps_whatever_was_not_tuned() -> None:
    written: dict[str, object] = {
        "preset": "zhang2017",
        "own": {"loss": "l1 + 0.5*cross_entropy", "color_from": "head", "balance": True},
        "vivid": {"loss": "l1", "target_chroma": 1.2},
        "word": "l2 + 0.3*perceptual",
        "named": "lpips_squeeze",
    }
    config = StudyConfig.parse({"name": "tiny", "objectives": written, "perceptual": "perceptual_lite0"}, origin="here")
    before = {each.id: each for each in resolve_objectives(config)}
    found = {
        name: Configuration(formula=each.formula, learning_rate=5e-4, critic_rate=None) for name, each in before.items()
    }
    tuned = tuned_study(config, list(before.values()), found)
    again = StudyConfig.parse(tuned.model_dump(mode="json", exclude_unset=True), origin="here")
    after = {each.id: each for each in resolve_objectives(again)}
    for name, record in before.items():
        trained = with_configuration(record.training or config.training, found[name], config.training.images)
        assert after[name].training == trained, name
        assert (after[name].formula, after[name].perceptual) == (record.formula, record.perceptual), name
    assert after["word"].perceptual == "perceptual_lite0"
    assert again.objectives["word"].loss == "l2 + 0.3*perceptual"  # type: ignore[union-attr]


def test_a_configuration_changes_what_it_names_alone() -> None:
    training = with_configuration(CONFIG.training, Configuration(formula="l1", learning_rate=1.0), 99)
    assert (training.images, training.optimizer.learning_rate) == (99, 1.0)
    assert training.critic == CONFIG.training.critic


def test_a_study_without_validation_photos_is_refused(tmp_path: Path) -> None:
    data = CONFIG.data.model_copy(update={"val_share": 0.0})
    with pytest.raises(UsageError, match="tuning needs validation photos"):
        tune(CONFIG.model_copy(update={"data": data}), SETTINGS, tmp_path, RUNTIME)


def on_photos(folder: Path) -> StudyConfig:
    rng = np.random.default_rng(0)
    for index in range(16):
        write_png(folder / f"{index}.png", rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    return CONFIG.model_copy(update={"data": CONFIG.data.model_copy(update={"source": str(folder)})})


def test_what_cannot_be_tuned_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMALAB_WEIGHTS", str(tmp_path / "none"))
    config = on_photos(tmp_path / "photos")
    timed = config.model_copy(update={"training": config.training.model_copy(update={"minutes": 1.0})})
    with pytest.raises(UsageError, match="give images instead of minutes"):
        tune(timed, SETTINGS, tmp_path / "tuning", RUNTIME)
    with pytest.raises(UsageError, match=r"lpips_vgg has no value for these photos: .*chromalab weights fetch vgg16"):
        tune(config, SETTINGS.model_copy(update={"criterion": ["lpips_vgg"]}), tmp_path / "tuning", RUNTIME)


class NoNode:
    """An executor to which nothing may be sent: it takes a node longer to start than to see that a trial is done."""

    def each(self, function: object, tasks: Sequence[object]) -> Iterator[Never]:
        assert not tasks
        return iter(())


@pytest.mark.slow
def test_a_tuning_gives_all_objectives_the_same_budget_resumes_and_writes_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = on_photos(tmp_path / "photos")
    out = tmp_path / "tuning"
    calls = []

    def counted(job: object, photos: object) -> object:
        calls.append(job)
        if len(calls) == 6:
            raise KeyboardInterrupt
        if len(calls) == 2:
            raise NonFiniteError("the loss is not finite at step 1")
        return train(job, photos)  # type: ignore[arg-type]

    monkeypatch.setattr("chromalab.studies.tuning.train", counted)
    with pytest.raises(KeyboardInterrupt):
        tune(config, SETTINGS, out, RUNTIME)
    assert len(TuningRecord.load(out / TUNING_FILE).trials) == 5
    # The record alone resumes the tuning in another folder, with the same photographs in another folder.
    moved = tmp_path / "moved"
    moved.mkdir()
    (out / TUNING_FILE).rename(moved / TUNING_FILE)
    (tmp_path / "photos").rename(moved / "photos")
    data = CONFIG.data.model_copy(update={"source": str(moved / "photos")})
    config, out = CONFIG.model_copy(update={"data": data}), moved
    record = tune(config, SETTINGS, out, RUNTIME)
    assert len(calls) == 11  # one was stopped, none was repeated
    budget = {name: sum(each.images for each in record.trials if each.objective == name) for name in CONFIG.objectives}
    assert budget == {"l1": 3 * 4 + 2 * 8, "wgan_l2": 3 * 4 + 2 * 8}
    failed = [each for each in record.trials if each.failure]
    assert [(each.objective, each.number, each.criterion) for each in failed] == [("l1", 1, None)]
    assert {each.number for each in record.trials if each.objective == "l1" and each.round == 1} == {0, 2}
    for name in CONFIG.objectives:
        last = [each for each in record.trials if each.objective == name and each.round == 1]
        assert record.best[name] == min(last, key=lambda each: each.criterion or 9.0).number
    study = load_config(out / "tuned.yaml")
    assert all(isinstance(each, ObjectiveSettings) for each in study.objectives.values())
    assert study.seeds == [0, 1]
    assert tune(config, SETTINGS, out, RUNTIME, executor=NoNode()) == record
    assert len(calls) == 11
    with pytest.raises(UsageError, match="holds another tuning"):
        tune(config, SETTINGS.model_copy(update={"seed": 3}), out, RUNTIME)

"""Equal tuning of every objective of a study, on validation photos alone.

Every objective gets the same number of configurations and the same number of crops: its settings as the study states
them, and random ones around them. Rounds follow each other as in successive halving (Jamieson & Talwalkar 2016): each
round trains the best configurations of the round before, from their first step, with a larger budget. One round is a
random search (Bergstra & Bengio 2012).

What is drawn, log-uniformly: the learning rate; for every term but the first a factor on its weight; with a critic, its
learning rate. All objectives share one criterion: the geometric mean, over some metrics, of the validation mean
divided by that of the gray baseline.

The folder of a tuning holds

    tuning.json                TuningRecord: what was searched, every trial, the best configuration of each objective;
                               this file alone resumes a tuning elsewhere
    tuned.yaml                 the study with the tuned objectives, ready for `chromalab compare run`
    OBJECTIVE/R-CC/            one trial: configuration CC in round R, with trial.json (TrialRecord) and train.csv
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from chromalab.core.errors import ChromalabError, ConfigError, NonFiniteError, UsageError
from chromalab.core.executors import Outcome, check_version
from chromalab.core.files import write_text
from chromalab.core.progress import progress
from chromalab.core.records import Record
from chromalab.evaluation.scoring import BASELINES, make_evaluator, score
from chromalab.losses.compose import Objective, parse_formula
from chromalab.losses.plugins import load_plugins
from chromalab.metrics.registry import METRICS
from chromalab.studies.api import configured
from chromalab.studies.config import ObjectiveSettings, Round, StudyConfig, TuningSettings
from chromalab.studies.distribute import absolute_paths
from chromalab.studies.objectives import in_words, meaning_of, resolve_objectives
from chromalab.studies.photos import open_photos, study_prior
from chromalab.studies.single import spread
from chromalab.training.checkpoints import CHECKPOINT, MODEL
from chromalab.training.devices import make_fabric
from chromalab.training.job import TrainingJob
from chromalab.training.loop import train
from chromalab.training.settings import settings_sha256
from chromalab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from chromalab.core.executors import Executor
    from chromalab.losses.compose import TermSpec
    from chromalab.studies.config import Range
    from chromalab.studies.photos import StudyPhotos
    from chromalab.studies.records import ObjectiveRecord
    from chromalab.training.settings import RuntimeSettings, TrainingSettings

TUNING_FILE, TUNED_FILE, TRIAL_FILE = "tuning.json", "tuned.yaml", "trial.json"
SMOKE_ROUND = "2x8"
"""The only round of a smoke test, as a command line gives it."""


def read_rounds(texts: Sequence[str] | None) -> list[Round] | None:
    """Return the rounds that a command line gives as NxCROPS, None where it gives none.

    Raises:
        UsageError: a text does not have this form.

    >>> read_rounds(["12x5000"])
    [Round(configurations=12, images=5000)]
    """
    rounds = []
    for text in texts or []:
        count, _, images = text.partition("x")
        if not (count.isdecimal() and images.isdecimal() and int(count) and int(images)):
            raise UsageError(f"--round {text} is not NxCROPS; write for example --round 12x5000")
        rounds.append(Round(configurations=int(count), images=int(images)))
    return rounds or None


def tuning_settings(changes: Mapping[str, object]) -> TuningSettings:
    """Return the settings of a tuning with some of them changed.

    Raises:
        UnknownNameError: a metric of the criterion is unknown.
        ConfigError: a value does not fit, or a metric is not one of single photos whose lower values are better.
    """
    settings = TuningSettings.parse(dict(changes), origin="the settings of the tuning")
    for name in settings.criterion:
        metric = METRICS[name]
        if metric.direction != "lower" or not metric.per_photo:
            raise ConfigError(f"criterion: {name} does not fit; take metrics of single photos where lower is better")
    return settings


class Configuration(Record):
    """The settings of an objective that a tuning varies.

    Attributes:
        formula: the objective with its weights.
        learning_rate: of the colorizer.
        critic_rate: of the critic, where it has one.
    """

    formula: str
    learning_rate: float
    critic_rate: float | None = None


class TrialRecord(Record):
    """One finished training of a tuning.

    Attributes:
        objective: which objective.
        round: number of the round, from 0.
        number: number of the configuration, from 0: the settings as the study states them.
        configuration: what was trained.
        images: crops.
        seconds: training time.
        means: validation mean of each metric of the criterion.
        criterion: the smaller the better; None where the training diverged.
        failure: why it has no value.
        sha256: hash of all settings that decide it.
    """

    objective: str
    round: int
    number: int
    configuration: Configuration
    images: int
    seconds: float
    means: dict[str, float] = {}
    criterion: float | None = None
    failure: str | None = None
    sha256: str


class TuningRecord(Record):
    """A tuning and its outcome.

    Attributes:
        study: name of the study.
        settings: what was searched.
        n_photos: number of validation photos.
        grey: validation mean of the gray baseline under each metric of the criterion.
        trials: every finished training.
        best: number of the chosen configuration of each objective that is tuned to the end.
    """

    study: str
    settings: TuningSettings
    n_photos: int
    grey: dict[str, float]
    trials: list[TrialRecord] = []
    best: dict[str, int] = {}


@dataclass(frozen=True)
class TrialTask:
    """One training of a tuning, as it is sent to a node.

    Attributes:
        config: the study, its paths absolute.
        settings: the tuning.
        folder: the folder of the tuning.
        objective: which objective.
        round: number of the round.
        number: number of the configuration.
        grey: validation mean of the gray baseline.
        runtime: where and how to run.
        plugins: files of losses to load.
        version: version of chromalab on the sender.
    """

    config: StudyConfig
    settings: TuningSettings
    folder: Path
    objective: str
    round: int
    number: int
    grey: Mapping[str, float]
    runtime: RuntimeSettings
    plugins: tuple[Path, ...] = ()
    version: str = __version__

    @property
    def path(self) -> Path:
        """The folder of the trial."""
        return _trial_folder(self.folder, self)


def configurations(
    objective: ObjectiveRecord, training: TrainingSettings, settings: TuningSettings
) -> list[Configuration]:
    """Return the configurations of the first round: the stated one, then random ones around it.

    What is drawn for one objective does not depend on the others.

    Args:
        objective: the objective as the study states it.
        training: its settings.
        settings: the ranges.
    """
    terms = parse_formula(objective.formula)
    adversarial = Objective(terms).adversarial is not None
    stated = training.critic.learning_rate or training.optimizer.learning_rate
    found = [
        Configuration(
            formula=objective.formula,
            learning_rate=training.optimizer.learning_rate,
            critic_rate=stated if adversarial else None,
        )
    ]
    rng = np.random.default_rng([settings.seed, *objective.id.encode()])
    for _ in range(settings.rounds[0].configurations - 1):
        rate = _log_uniform(rng, settings.learning_rate)
        factors = [_log_uniform(rng, settings.weight_factor) for _ in terms[1:]]
        critic_rate = _log_uniform(rng, settings.critic_rate)
        found.append(
            Configuration(
                formula=_weighted(terms, factors),
                learning_rate=rate,
                critic_rate=critic_rate if adversarial else None,
            )
        )
    return found


def _log_uniform(rng: np.random.Generator, bounds: Range) -> float:
    """Return a number that is drawn log-uniformly, rounded to three digits."""
    low, high = np.log(bounds)
    return float(f"{math.exp(rng.uniform(low, high)):.3g}")


def _weighted(terms: Sequence[TermSpec], factors: Sequence[float]) -> str:
    scaled = [terms[0], *(term.scaled(factor) for term, factor in zip(terms[1:], factors, strict=True))]
    return " + ".join(str(term) for term in scaled)


def with_configuration(training: TrainingSettings, configuration: Configuration, images: int) -> TrainingSettings:
    """Return the settings of a training with a configuration and a budget."""
    optimizer = training.optimizer.model_copy(update={"learning_rate": configuration.learning_rate})
    critic = training.critic.model_copy(update={"learning_rate": configuration.critic_rate})
    changes = {"optimizer": optimizer, "images": images}
    return training.model_copy(update=changes | ({"critic": critic} if configuration.critic_rate else {}))


def tune(
    config: StudyConfig,
    settings: TuningSettings,
    folder: Path,
    runtime: RuntimeSettings,
    *,
    data: Path | None = None,
    test: Sequence[str] = (),
    executor: Executor | None = None,
    plugins: Sequence[Path] = (),
) -> TuningRecord:
    """Tune every objective of a study, and write `tuned.yaml`, the study with what was found.

    Rerun the same call to resume. Nothing is scored on the test photos.

    Args:
        config: the study as written; `tuned.yaml` names the same photographs.
        settings: what to search.
        folder: gets the trials and the outcome.
        runtime: where and how to run.
        data: folder of photographs that replaces the one of the study.
        test: folders of test photos that replace those of the study.
        executor: runs several trials at once; None runs them in this process, one after the other.
        plugins: files of losses to load.

    Raises:
        UsageError: a wrong name, missing weights, no validation photos, a metric without values for them, or the folder
            holds another tuning.
        ChromalabError: no configuration of an objective could be trained.
    """
    load_plugins(plugins)
    study = configured(config, data=data, test=test)
    photos = _photos(study)
    objectives = resolve_objectives(config)
    names = [objective.id for objective in objectives]
    earlier = _open(config, settings, folder, photos, runtime)
    record = earlier.model_copy(update={"trials": [], "best": {}})
    files = tuple(path.resolve() for path in plugins)
    plan = TrialTask(absolute_paths(study), settings, folder.resolve(), "", 0, 0, record.grey, runtime, files)
    run = partial(run_trial, photos=photos) if executor is None else run_trial
    ranks: dict[str, list[TrialRecord]] = {}
    with progress("tuning", len(names) * sum(each.configurations for each in settings.rounds), unit="runs") as advance:
        for index, each in enumerate(settings.rounds):
            tasks = [
                replace(plan, objective=name, round=index, number=number)
                for name, numbers in _chosen(names, ranks, each.configurations).items()
                for number in numbers
            ]
            found = [_finished(task, photos) for task in tasks]
            trials = [trial for trial in found if trial]
            for trial in trials:
                advance(note=_in_short(trial), resumed=True)
            record = record.model_copy(update={"trials": [*record.trials, *trials]})
            waiting = [task for task, trial in zip(tasks, found, strict=True) if not trial]
            for trial in _outcomes(waiting, run, executor):
                advance(note=_in_short(trial))
                trials.append(trial)
                record = record.model_copy(update={"trials": [*record.trials, trial]})
                _with_trials_of(record, earlier).save(folder / TUNING_FILE)
            ranks = {name: ranked([trial for trial in trials if trial.objective == name]) for name in names}
    record = record.model_copy(update={"best": {name: trials[0].number for name, trials in ranks.items()}})
    record.save(folder / TUNING_FILE)
    tuned = tuned_study(config, objectives, {name: trials[0].configuration for name, trials in ranks.items()})
    text = yaml.safe_dump(tuned.model_dump(mode="json", exclude_unset=True), sort_keys=False, width=120)
    write_text(folder / TUNED_FILE, text)
    return record


def _in_short(trial: TrialRecord) -> str:
    value = "diverged" if trial.criterion is None else f"{trial.criterion:.4f}"
    return f"{trial.objective} {trial.round}-{trial.number:02} {value}"


def _chosen(names: Sequence[str], ranks: Mapping[str, Sequence[TrialRecord]], count: int) -> dict[str, list[int]]:
    """Return the configurations to train in a round: all drawn ones first, then the best of the round before."""
    if not ranks:
        return {name: list(range(count)) for name in names}
    return {name: [trial.number for trial in ranks[name][:count]] for name in names}


def ranked(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials of one objective that gave a value, the best first.

    Raises:
        ChromalabError: none gave a value.
    """
    finished = [trial for trial in trials if trial.criterion is not None]
    if not finished:
        name, why = trials[0].objective, trials[0].failure
        raise ChromalabError(f"{name}: no configuration could be trained ({why}); widen or lower the ranges")
    return sorted(finished, key=lambda trial: (trial.criterion or 0.0, trial.number))


def _outcomes(
    tasks: Sequence[TrialTask], run: Callable[[TrialTask], TrialRecord], executor: Executor | None
) -> Iterator[TrialRecord]:
    here = (Outcome(index, run(task)) for index, task in enumerate(tasks))
    for outcome in here if executor is None else executor.each(run, tasks):
        if outcome.result is None:
            why = outcome.failure.message if outcome.failure else "no result"
            raise ChromalabError(f"{tasks[outcome.index].path.name} of {tasks[outcome.index].objective}: {why}")
        yield outcome.result


def run_trial(task: TrialTask, *, photos: StudyPhotos | None = None) -> TrialRecord:
    """Train and validate one configuration, unless that is done already.

    Args:
        task: the trial.
        photos: the photographs, where they are open already.
    """
    check_version(task.version)
    load_plugins(task.plugins)
    photos = photos or _photos(task.config)
    if found := _finished(task, photos):
        return found
    job, configuration = _job(task, photos)
    trial = TrialRecord(
        objective=task.objective,
        round=task.round,
        number=task.number,
        configuration=configuration,
        images=job.settings.images,
        seconds=0.0,
        sha256=_trial_sha256(task, job, photos),
    )
    trial = trial.model_copy(update=_outcome(job, photos, task))
    trial.save(task.path / TRIAL_FILE)
    for name in (CHECKPOINT, MODEL):
        (task.path / name).unlink(missing_ok=True)
    return trial


def _finished(task: TrialTask, photos: StudyPhotos) -> TrialRecord | None:
    """Return the record of a trial that is done already, with the same settings and photographs."""
    done = task.path / TRIAL_FILE
    if not done.exists():
        return None
    found = TrialRecord.load(done)
    return found if found.sha256 == _trial_sha256(task, _job(task, photos)[0], photos) else None


def _trial_sha256(task: TrialTask, job: TrainingJob, photos: StudyPhotos) -> str:
    return settings_sha256(job.sha256(photos.train), task.settings.criterion, task.settings.photos)


def _job(task: TrialTask, photos: StudyPhotos) -> tuple[TrainingJob, Configuration]:
    alone = {task.objective: task.config.objectives[task.objective]}  # the other objectives need not be built
    (objective,) = resolve_objectives(task.config.model_copy(update={"objectives": alone}))
    training = objective.training or task.config.training
    configuration = configurations(objective, training, task.settings)[task.number]
    prior = study_prior([objective], photos, task.config.data.prior, task.folder / "prior.json")
    job = TrainingJob(
        configuration.formula,
        task.config.color_spaces[0],
        task.settings.seed,
        with_configuration(training, configuration, task.settings.rounds[task.round].images),
        task.runtime,
        task.path,
        prior.probabilities if prior else None,
    )
    return job, configuration


def _outcome(job: TrainingJob, photos: StudyPhotos, task: TrialTask) -> dict[str, object]:
    """Train and validate, and return what the record of the trial then holds."""
    started = time.monotonic()
    try:
        outcome = train(job, photos.train)
    except NonFiniteError as error:
        return {"seconds": round(time.monotonic() - started, 1), "failure": str(error)}
    means = _validated(outcome.colorizer.colorize, photos, task.settings, task.runtime)
    return {"seconds": round(outcome.seconds, 1), "means": means, "criterion": criterion(means, task.grey)}


def criterion(means: Mapping[str, float], grey: Mapping[str, float]) -> float:
    """Return the geometric mean of the ratios to the gray baseline.

    >>> criterion({"delta_e_2000": 9.0, "lpips_alex": 0.2}, {"delta_e_2000": 12.0, "lpips_alex": 0.15})
    1.0
    """
    logs = [math.log(means[name] / grey[name]) for name in grey]
    return round(math.exp(sum(logs) / len(logs)), 9)


def tuned_study(
    config: StudyConfig, objectives: Sequence[ObjectiveRecord], found: Mapping[str, Configuration]
) -> StudyConfig:
    """Return the study with the tuned settings of each objective, and with all others as they were tuned."""
    meaning = meaning_of(config.perceptual)
    tuned: dict[str, str | ObjectiveSettings] = {}
    for objective in objectives:
        training, formula = objective.training or config.training, found[objective.id].formula
        trained = with_configuration(training, found[objective.id], training.images)
        own: dict[str, object] = {
            "loss": in_words(formula, meaning) if objective.perceptual else formula,
            "optimizer": trained.optimizer,
        }
        if found[objective.id].critic_rate:
            own["critic"] = trained.critic
        if trained.network.color_from != config.training.network.color_from:
            own["color_from"] = trained.network.color_from
        own |= {
            key: value
            for key in ("balance", "target_chroma")
            if (value := getattr(trained, key)) != getattr(config.training, key)
        }
        tuned[objective.id] = ObjectiveSettings.parse(own, origin=objective.id)
    said = {"perceptual": meaning.name} if any(objective.perceptual for objective in objectives) else {}
    return config.model_copy(update={"objectives": tuned, **said})


def _photos(config: StudyConfig) -> StudyPhotos:
    return open_photos(config.data, config.training.largest_crop_px)


def _open(
    config: StudyConfig, settings: TuningSettings, folder: Path, photos: StudyPhotos, runtime: RuntimeSettings
) -> TuningRecord:
    """Return the record of a tuning that begins or goes on, and write the missing files of its trials.

    Raises:
        UsageError: the budget is in minutes, there are no validation photos, a metric of the criterion has no value for
            them, or the folder holds another tuning.
    """
    if config.training.minutes is not None:
        raise UsageError(
            "a tuning gives every objective as many crops; under 'training', give images instead of minutes"
        )
    if not len(photos.val):
        raise UsageError("tuning needs validation photos, and the study has none; raise val_share under 'data'")
    path = folder / TUNING_FILE
    if path.exists():
        there = TuningRecord.load(path)
        if (there.study, there.settings) != (config.name, settings):
            raise UsageError(f"{folder} holds another tuning, of the study '{there.study}'; choose another --out")
        for trial in there.trials:
            if not (saved := _trial_folder(folder, trial) / TRIAL_FILE).exists():
                trial.save(saved)
        return there
    grey = _validated(BASELINES["grey"], photos, settings, runtime)
    record = TuningRecord(
        study=config.name, settings=settings, n_photos=min(settings.photos, len(photos.val)), grey=grey
    )
    record.save(path)
    return record


def _with_trials_of(record: TuningRecord, earlier: TuningRecord) -> TuningRecord:
    """Return `record` with those trials of `earlier` that it lacks."""
    mine = {_trial_folder(Path(), trial) for trial in record.trials}
    others = [trial for trial in earlier.trials if _trial_folder(Path(), trial) not in mine]
    return record.model_copy(update={"trials": [*record.trials, *others]})


def _trial_folder(folder: Path, trial: TrialRecord | TrialTask) -> Path:
    return folder / trial.objective / f"{trial.round}-{trial.number:02}"


def _validated(
    colorize: Callable[[Tensor], Tensor], photos: StudyPhotos, settings: TuningSettings, runtime: RuntimeSettings
) -> dict[str, float]:
    """Return the validation mean of each metric of the criterion."""
    evaluator = make_evaluator(metrics=settings.criterion, device=make_fabric(runtime).device)
    evaluator.scorer.require(settings.criterion, photos.val.size_px, photos.val.size_px)
    scores = score(colorize, spread(photos.val, settings.photos), evaluator)
    return {name: float(np.mean(scores.per_photo[name])) for name in settings.criterion}

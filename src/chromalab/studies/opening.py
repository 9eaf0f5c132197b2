"""Opening of a study: planned runs, photos and the study's record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.color.spaces import SPACES
from chromalab.core.errors import ConfigError, UsageError
from chromalab.losses.compose import parse_formula
from chromalab.metrics.registry import METRICS
from chromalab.nets.encoders import ENCODERS
from chromalab.studies.objectives import resolve_objectives
from chromalab.studies.photos import StudyPhotos, StudyPrior, keep_prior, open_photos, save_skipped, study_prior
from chromalab.studies.plan import check_plan, freeze_plan, make_plan
from chromalab.studies.records import ObjectiveRecord, PluginFact, StudyRecord, check_unpacked, run_id
from chromalab.studies.study import StudyFolder
from chromalab.training.build import build_colorizer, count_parameters
from chromalab.training.devices import make_fabric
from chromalab.training.settings import RuntimeSettings, settings_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.losses.plugins import PluginRecord
    from chromalab.studies.config import StudyConfig
    from chromalab.studies.plan import PlanRecord
    from chromalab.studies.records import ObjectiveRecord
    from chromalab.training.settings import TrainingSettings


@dataclass(frozen=True)
class PlannedRun:
    """One cell of the grid."""

    objective: str
    formula: str
    color_space: str
    seed: int
    training: TrainingSettings

    @property
    def run_id(self) -> str:
        """The run's name and that of its folder."""
        return run_id(self.objective, self.color_space, self.seed)


def plan_runs(config: StudyConfig, objectives: Sequence[ObjectiveRecord]) -> list[PlannedRun]:
    """Return every run, seed by seed, so that a study stopped early has compared all objectives on some seeds.

    Raises:
        UnknownNameError: unknown color space or encoder.
        ConfigError: an objective over the ab bins is combined with another space than `lab`.
    """
    ENCODERS[config.training.network.encoder]
    for space in config.color_spaces:
        SPACES[space]
        for objective in objectives:
            if "bins" in objective.needs and space != "lab":
                raise ConfigError(
                    f"{objective.id}: '{objective.formula}' needs the bins of CIELAB; train it in lab, not in {space}"
                )
    return [
        PlannedRun(objective.id, objective.formula, space, seed, objective.training or config.training)
        for seed in config.seeds
        for space in config.color_spaces
        for objective in objectives
    ]


@dataclass(frozen=True)
class Study:
    """An opened study: its record, its photos and its planned runs."""

    record: StudyRecord
    photos: StudyPhotos
    runs: list[PlannedRun]
    config: StudyConfig
    folder: StudyFolder
    prior: StudyPrior | None = None
    plan: PlanRecord | None = None

    @property
    def prior_probabilities(self) -> NDArray[np.float64] | None:
        """The color distribution that rebalances classes, (313,), if an objective needs it."""
        return self.prior.probabilities if self.prior else None


def open_study(
    config: StudyConfig, out: Path, runtime: RuntimeSettings, *, plugins: Sequence[PluginFact] = ()
) -> Study:
    """Resolve every name, open the photos, and make `out` the folder of this study.

    Args:
        config: the study.
        out: its folder.
        runtime: device and threads.
        plugins: loaded plugins; the record names those whose losses are used.

    Raises:
        UsageError: a name is wrong, weights or the device are missing, there are no usable photos, `out` holds another
            study or a packed one, or its frozen plan was changed.
        OutputError: `out` cannot be written.
    """
    check_unpacked(out)
    make_fabric(runtime)
    for metric in config.metrics:
        METRICS[metric]
    objectives = resolve_objectives(config)
    runs = plan_runs(config, objectives)
    photos = open_photos(config.data, config.training.largest_crop_px)
    folder = StudyFolder(out)
    prior = study_prior(objectives, photos, config.data.prior, folder.prior_json)
    used = plugins_used(plugins, [objective.formula for objective in objectives])
    record = _study_record(config, objectives, photos, prior, used)
    folder.open(record)
    save_skipped(folder.skipped_csv, photos.skipped)
    if prior is not None and prior.record is not None:
        prior.record.save(folder.prior_json)
    if prior is not None:
        keep_prior(config.data.prior, out)
    return Study(record, photos, runs, config, folder, prior, _frozen_plan(config, record, photos, folder))


def _frozen_plan(
    config: StudyConfig, record: StudyRecord, photos: StudyPhotos, folder: StudyFolder
) -> PlanRecord | None:
    """Freeze the plan that the study's file states, if it states one, and return the plan that holds.

    Raises:
        UsageError: the plan was changed after the first test score.
    """
    scored = folder.plan_hashes(record)
    if config.plan is None:
        return check_plan(folder.root, scored)
    return freeze_plan(make_plan(config.plan, record, photos.test.ids), folder.root, scored)


def plugin_facts(plugins: Iterable[PluginRecord]) -> list[PluginFact]:
    """Return loaded plugins in the form of a study's record."""
    return [PluginFact(name=each.name, sha256=each.sha256, losses=list(each.losses)) for each in plugins]


def plugins_used(plugins: Iterable[PluginFact], formulas: Iterable[str]) -> list[PluginFact]:
    """Return the plugins whose losses one of the formulas uses; the others have no influence."""
    names = {spec.name for formula in formulas for spec in parse_formula(formula)}
    return [plugin for plugin in plugins if names.intersection(plugin.losses)]


def _study_record(
    config: StudyConfig,
    objectives: list[ObjectiveRecord],
    photos: StudyPhotos,
    prior: StudyPrior | None,
    plugins: list[PluginFact],
) -> StudyRecord:
    network, start = build_colorizer(config.training.network, config.color_spaces[0], config.seeds[0])
    added = {key for key in ("looks", "metrics") if not getattr(config, key)}  # as in studies from before these keys
    beside = {"name", "title", "note", "objectives", "perceptual", "data", "plan"} | added
    deciding = config.model_dump(mode="json", exclude=beside)
    formulas = {objective.id: objective.formula for objective in objectives}
    own = {entry.id: entry.training for entry in objectives if entry.training is not None}
    code = [prior.sha256 if prior else None, *(plugin.sha256 for plugin in plugins)]
    split = [photos.train.ids, photos.val.ids, photos.test.ids]
    return StudyRecord(
        name=config.name,
        title=config.title,
        note=config.note,
        config=without_paths(config).model_dump(mode="json"),
        config_sha256=settings_sha256(
            deciding | {"training": config.training.deciding()},
            formulas,
            {name: training.deciding() for name, training in own.items()},
            photos.record.data_sha256,
            split,
            code,
        ),
        data=photos.record,
        objectives=objectives,
        color_spaces=config.color_spaces,
        seeds=config.seeds,
        plugins=plugins,
        prior=f"{prior.source} (SHA-256 {prior.sha256[:12]})" if prior else None,
        encoder=config.training.network.encoder,
        encoder_start=start,
        parameters=count_parameters(network),
        pictured=_pictured(config.pictured, photos.record.test_photos),
    )


def _pictured(wanted: int | list[str], names: list[str]) -> list[str]:
    """Return the test photos whose images are kept.

    Raises:
        UsageError: no test photo has one of the names.
    """
    if isinstance(wanted, int):
        return spread(names, wanted)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise UsageError(
            f"pictured: no test photo is named '{unknown[0]}'; there are {len(names)}, such as '{names[0]}'"
        )
    return wanted


def spread(names: list[str], count: int) -> list[str]:
    """Return up to `count` names evenly spread over a list, because neighbors in a folder tend to be of one kind.

    >>> spread(["a", "b", "c", "d", "e"], 2), spread(["a"], 3)
    (['a', 'c'], ['a'])
    """
    if len(names) <= count:
        return names
    return [names[index * len(names) // count] for index in range(count)]


def without_paths(config: StudyConfig) -> StudyConfig:
    """Return the configuration with bare names of folders and files, so that records reveal no local paths."""
    exclude = [f"@{Path(entry[1:]).name}" if entry.startswith("@") else entry for entry in config.data.exclude]
    test = [Path(entry).name for entry in config.data.test]
    data = config.data.model_copy(update={"source": Path(config.data.source).name, "exclude": exclude, "test": test})
    network = config.training.network
    if network.start is not None:
        network = network.model_copy(update={"start": Path(network.start).name})
    training = config.training.model_copy(update={"network": network})
    return config.model_copy(update={"data": data, "training": training})

"""`chromalab.studies.run`: a whole study as one call from Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chromalab.losses.plugins import load_plugins
from chromalab.metrics.registry import metric_facts
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.config import StudyConfig, load_config
from chromalab.studies.load import load_study
from chromalab.studies.opening import open_study, plugin_facts
from chromalab.studies.runs import run_study
from chromalab.studies.smoke import smoke as shrink
from chromalab.training.settings import RuntimeSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chromalab.studies.records import Analysis


def run(
    config: str | Path | StudyConfig,
    out: str | Path,
    *,
    data: str | Path | None = None,
    test: Sequence[str] = (),
    plugins: Sequence[Path] = (),
    runtime: RuntimeSettings | None = None,
    balance: bool = False,
    smoke: bool = False,
) -> Analysis:
    """Train and score every run of a study that is not finished yet, and return the analysis of all runs.

    This is `chromalab compare run` without its report; `chromalab compare report OUT` writes the page. Rerun the same
    call to resume an interrupted study.

    >>> import chromalab.studies
    >>> analysis = chromalab.studies.run("quick", out="my-study")  # doctest: +SKIP

    Args:
        config: a study, its YAML file, or the name of a preset.
        out: the folder of the study.
        data: folder of photos that replaces the one of the study.
        test: folders of test photos that replace those of the study; `samples` stands for the built-in ones.
        plugins: Python files with losses of your own.
        runtime: device and threads.
        balance: balance the terms of objectives by gradient norm.
        smoke: shrink the study to seconds, to test that everything works.

    Raises:
        UsageError: a name is wrong, weights or the device are missing, there are no usable photos, or `out` holds
            another study.
        NonFiniteError: a training diverged.
    """
    study = configured(config, data=data, test=test, balance=balance, smoke=smoke)
    runtime = runtime or RuntimeSettings()
    loaded = plugin_facts(load_plugins(plugins))
    run_study(open_study(study, Path(out), runtime, plugins=loaded), runtime)
    return analyze(load_study(Path(out)), metric_facts())


def configured(
    config: str | Path | StudyConfig,
    *,
    data: str | Path | None = None,
    test: Sequence[str] = (),
    balance: bool = False,
    smoke: bool = False,
) -> StudyConfig:
    """Return a study with the changes that `run` describes.

    Raises:
        ConfigError: there is no such file or preset, or a setting is wrong.
    """
    study = config if isinstance(config, StudyConfig) else load_config(Path(config))
    changes = ({"source": str(data)} if data is not None else {}) | ({"test": list(test)} if test else {})
    study = study.model_copy(update={"data": study.data.model_copy(update=changes)})
    if balance:
        study = study.model_copy(update={"training": study.training.model_copy(update={"balance": True})})
    return shrink(study) if smoke else study

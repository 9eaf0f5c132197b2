"""Defaults of options: each settings class has them once, and the command line takes them from there."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chromalab.cli import colorize as command
from chromalab.cli.options import Default
from chromalab.colorization.batch import Batch
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.web import app
from chromalab.colorization.web.settings import ServerSettings
from chromalab.core.errors import UsageError
from chromalab.core.parallel import cpu_count
from chromalab.data.usable import COLOURLESS_THRESHOLD
from chromalab.evaluation.folders import EvaluationSettings
from chromalab.evaluation.records import PROTOCOL
from chromalab.studies.config import DataSettings, TuningSettings
from chromalab.studies.recipe import Recipe
from chromalab.survey import simulate
from chromalab.survey.server.state import ServerSettings as SurveySettings
from chromalab.survey.simulate import Population
from chromalab.training.settings import RuntimeSettings
from chromalab.weights.colorizers import shipped_models
from tests.cli.commands import COMMANDS, options_of, parse
from tests.e2e.conftest import Chromalab
from tests.photo.odd_files import picture, save

OWN = {
    "colorize": {"samples": 0, "seed": 0, "device": "cpu", "executor": "local"},
    "serve": {"host": "127.0.0.1", "port": 8000},
    "evaluate": {"executor": "local"},
    "compare run": {"executor": "local"},
    "compare tune": {"executor": "local"},
    "compare colorize": {"size": 512},
    "survey create": {"power": True},
    "survey serve": {"host": "127.0.0.1", "port": 8010, "proxies": "127.0.0.1", "workers": 1},
    "survey links": {"count": 1, "public_url": "http://127.0.0.1:8010"},
    "survey simulate": {"people": 20},
    "data prior": {"size": 176},
    "data plates": {"grey": "luma"},
    "loss check": {"space": "lab"},
}
"""Defaults of options that fill no field of a settings class."""

SWITCHES = {
    "all_",
    "as_json",
    "balance",
    "common",
    "dry_run",
    "equal_chroma",
    "full",
    "new_password",
    "report",
    "smoke",
}
"""Options that ask for something more; none of them fills a field when it is not given."""

REFERENCES = [
    (f"{name} {option.opts[0]}", name, option)
    for name, every in COMMANDS.items()
    for option in options_of(every)
    if isinstance(option.default, Default)
]


@pytest.mark.parametrize("name", COMMANDS)
def test_option_repeats_no_default_of_a_settings_class(name: str) -> None:
    options = {option.name: option.default for option in options_of(COMMANDS[name]) if not option.required}
    literal = {key: value for key, value in options.items() if not isinstance(value, Default) and value is not None}
    switches = {key for key, value in literal.items() if value is False}
    assert switches <= SWITCHES
    assert {key: value for key, value in literal.items() if key not in switches} == OWN.get(name, {})


@pytest.mark.parametrize(("name", "option"), [row[1:] for row in REFERENCES], ids=[row[0] for row in REFERENCES])
def test_default_exists_and_fits_its_option(name: str, option: Any) -> None:
    value = option.default()
    assert type(value) in {bool, int, float, str}
    context = COMMANDS[name].make_context(name, [], resilient_parsing=True)
    assert option.process_value(context, value) == value


@pytest.mark.slow
def test_defaults_in_help_need_only_the_base_installation() -> None:
    """Importing the class of a default must not need the packages of an extra, unless its whole command does."""
    references = sorted(
        {option.default.reference for _, name, option in REFERENCES if not name.startswith(("survey", "serve"))}
    )
    script = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['torch', 'ray', 'fastapi', 'sqlalchemy', 'matplotlib']))\n"
        "from chromalab.cli.options import Default\n"
        f"print(all(Default(reference)() is not None for reference in {references}))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("name", ["colorize", "evaluate", "compare run", "compare tune"])
def test_help_states_the_defaults_of_a_task_on_a_cluster(name: str) -> None:
    resources = pytest.importorskip("chromalab.core.ray_executor").Resources()
    said = {option.opts[0]: option.help for option in options_of(COMMANDS[name])}
    unit = "run" if name.startswith("compare") else "task"
    assert f"(default: {resources.cpus})" in said[f"--cpus-per-{unit}"]
    assert f"(default: {resources.gpus};" in said[f"--gpus-per-{unit}"]
    assert f"(default: {resources.retries})" in said["--retries"]


def test_help_states_the_default_search_of_a_tuning() -> None:
    settings = TuningSettings()
    said = {option.opts[0]: option.help for option in options_of(COMMANDS["compare tune"])}
    rounds = ", then ".join(f"{each.configurations}x{each.images}" for each in settings.rounds)
    assert f"(default: {rounds})" in said["--round"]
    assert f"(default: {' and '.join(settings.criterion)})" in said["--criterion"]


def test_missing_package_stops_a_command_but_not_its_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    default = Default("uvicorn.settings:Settings.port")
    with pytest.raises(
        UsageError, match=r"this command needs the package uvicorn: run pip install 'chromalab\[serve\]'"
    ):
        default()
    assert str(default) == ""


def test_references_reach_every_kind_of_settings() -> None:
    classes = {option.default.reference.split(":")[1].split(".")[0] for _, _, option in REFERENCES}
    assert classes >= {"RuntimeSettings", "Options", "Job", "Saving", "Batch", "ServerSettings", "Population"}


def test_default_follows_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse("colorize", "a.png", "-o", "b.png")["saturation"] == 1.0
    monkeypatch.setattr(Options.model_fields["saturation"], "default", 1.25)
    assert parse("colorize", "a.png", "-o", "b.png")["saturation"] == 1.25
    assert str(Default("chromalab.colorization.options:Options.saturation")) == "1.25"


def test_colorize_without_options_has_the_default_settings(tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png", picture())
    params = parse("colorize", photo, "-o", tmp_path / "b.png")
    options = command._options(
        *(params[name] for name in ("saturation", "warmth", "scales", "hint", "hints", "temperature")),
        keep_tone=params["keep_tone"],
    )
    job = command._job(options, *(params[name] for name in ("quality", "source_type", "label", "max_megapixels")))
    assert job == Job(Options())
    plan = make_plan([str(photo)], f"{tmp_path}/out/", suffix=None)
    batch = command._batch(job, 1, plan, None, overwrite=params["overwrite"], sidecar=params["sidecar"])
    assert batch == Batch(Job(Options()))


def test_serve_without_options_has_the_default_settings(chromalab: Chromalab, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[ServerSettings] = []
    monkeypatch.setattr(app, "run_server", lambda settings, *_: served.append(settings))
    assert chromalab("serve").code == 0
    assert served == [ServerSettings(models=shipped_models(), workers=cpu_count(), hosts=["127.0.0.1"])]


def test_survey_serve_without_options_has_the_default_settings() -> None:
    assert parse("survey serve", "study")["joins_per_minute"] == SurveySettings(folder="study").joins_per_minute


def test_survey_simulate_without_options_has_the_default_population(
    chromalab: Chromalab, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated: list[tuple[Population, int]] = []

    def run(folder: Path, people: Population, count: int, **options: Any) -> simulate.Outcome:
        simulated.append((people, options["at_a_time"]))
        return simulate.Outcome(latencies_s=[0.1])

    monkeypatch.setattr(simulate, "run_simulation", run)
    done = chromalab("survey", "simulate", "study")
    assert done.code == 0, done.err
    assert simulated == [(Population(), simulate.AT_A_TIME)]


def test_evaluation_and_training_run_alike_by_default() -> None:
    runtime, evaluation = RuntimeSettings(), EvaluationSettings()
    assert (evaluation.device, evaluation.threads) == (runtime.device, runtime.threads)
    params = parse("evaluate", "a", "b")
    assert (params["protocol"], params["device"], params["threads"]) == (PROTOCOL, runtime.device, runtime.threads)
    assert EvaluationSettings().protocol == PROTOCOL
    names = {field.name for field in dataclasses.fields(EvaluationSettings)} & params.keys()
    assert all(params[name] in {None, getattr(evaluation, name)} for name in names)


def test_train_without_options_has_the_default_runtime() -> None:
    params = parse("train", "--out", "out")
    given = {name: params[name] for name in RuntimeSettings.model_fields if name in params}
    assert len(given) == 6
    assert RuntimeSettings(**given) == RuntimeSettings()


def test_colorless_photos_have_one_threshold() -> None:
    thresholds = {
        Recipe().colorless_threshold,
        DataSettings().colourless_threshold,
        parse("data check", "photos")["colourless_threshold"],
    }
    assert thresholds == {COLOURLESS_THRESHOLD}

"""The plan of a study, frozen before its first test score.

A study's YAML file may state its plan under the key `plan`: the questions, the contrasts of objectives and the metrics
that decide them, and for each metric the margin below which a difference does not matter. `chromalab compare plan`
freezes it in the file `plan.yaml` of the study's folder, together with the seeds, the stopping rule and the hash of the
test photos. The contrasts and metrics of the plan form one family of tests, which Holm's correction treats together.
Everything else that a report shows is exploratory.

The file ends with its own hash, and every run that is scored on the test photos records that hash. A plan that was
changed after the first test score is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Self

import yaml
from pydantic import Field, StringConstraints, model_validator

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.files import write_text
from chromalab.core.records import Record, read_yaml
from chromalab.core.wording import plural
from chromalab.studies.records import check_unpacked
from chromalab.training.settings import settings_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chromalab.metrics.metric import Metric
    from chromalab.studies.records import StudyRecord

PLAN_FILE = "plan.yaml"

Percentage = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?%$")]
Margin = Annotated[float, Field(gt=0)] | Percentage
"""A difference in the metric's unit, or a percentage of the mean of the ground truth."""


class PlanSettings(Record):
    """What a study's plan states.

    Attributes:
        questions: what the study asks, in words.
        contrasts: pairs of objectives; the difference is the first minus the second.
        margins: for each deciding metric the largest difference that does not matter.
        stopping: the rule by which the study ends.
    """

    questions: list[str] = []
    contrasts: list[tuple[str, str]] = Field(min_length=1)
    margins: dict[str, Margin] = Field(min_length=1)
    stopping: str = "The study ends when every run of the plan is finished. Partial results stop nothing."

    @model_validator(mode="after")
    def _check_contrasts(self) -> Self:
        for first, second in self.contrasts:
            if first == second:
                raise ValueError(f"contrasts: '{first}' is compared with itself")
        pairs = [frozenset(pair) for pair in self.contrasts]
        if len(set(pairs)) != len(pairs):
            raise ValueError("contrasts: a pair of objectives stands there twice")
        return self


class PlanRecord(PlanSettings):
    """A frozen plan, the content of `plan.yaml`.

    Attributes:
        study: name of the study.
        frozen: when it was frozen, in UTC.
        objectives: formula of each objective.
        color_spaces: training spaces.
        seeds: the planned seeds.
        config_sha256: hash of the settings that decide the runs.
        n_test: number of test photos.
        test_sha256: hash of the test photos' contents, in order.
        sha256: hash of all the above.
    """

    study: str
    frozen: str
    objectives: dict[str, str]
    color_spaces: list[str]
    seeds: list[int]
    config_sha256: str
    n_test: int
    test_sha256: str
    sha256: str = ""

    @property
    def content_sha256(self) -> str:
        """The hash of the plan as it stands now."""
        return settings_sha256(self.model_dump(mode="json", exclude={"sha256"}))

    @property
    def family_size(self) -> int:
        """The number of tests that are corrected together, in each color space."""
        return len(self.contrasts) * len(self.margins)


def make_plan(settings: PlanSettings, study: StudyRecord, test_ids: Sequence[str]) -> PlanRecord:
    """Return the plan of a study, frozen now.

    Args:
        settings: what the study's file states.
        study: the study.
        test_ids: content hashes of the test photos.

    Raises:
        ConfigError: a contrast names an objective that the study does not have, or a margin does not fit its metric.
        UnknownNameError: a margin names no metric.
    """
    known = [objective.id for objective in study.objectives]
    unknown = [name for pair in settings.contrasts for name in pair if name not in known]
    if unknown:
        raise ConfigError(f"plan: contrasts: the study has no objective '{unknown[0]}', only {', '.join(known)}")
    from chromalab.metrics.registry import METRICS  # noqa: PLC0415 - settings are read without PyTorch

    for name, margin in settings.margins.items():
        _check_margin(METRICS[name], margin)
    plan = PlanRecord(
        **settings.model_dump(),
        study=study.name,
        frozen=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        objectives={objective.id: objective.formula for objective in study.objectives},
        color_spaces=study.color_spaces,
        seeds=study.seeds,
        config_sha256=study.config_sha256,
        n_test=study.data.n_test,
        test_sha256=settings_sha256(list(test_ids)),
    )
    return plan.model_copy(update={"sha256": plan.content_sha256})


def _check_margin(metric: Metric, margin: float | str) -> None:
    if not metric.per_photo:
        raise ConfigError(
            f"plan: margins: {metric.name} has one value for all photos, so nothing can be tested; take metrics of "
            "single photos"
        )
    if isinstance(margin, str) and metric.direction != "closer":
        raise ConfigError(
            f"plan: margins: {metric.name} of the ground truth is no scale for a margin of {margin}; give the margin "
            f"in the metric's unit{f', {metric.unit}' if metric.unit else ''}"
        )


def read_plan(folder: Path) -> PlanRecord | None:
    """Return the frozen plan of a study's folder, None where there is none.

    Raises:
        ConfigError: the file does not hold a plan.
    """
    path = folder / PLAN_FILE
    return PlanRecord.parse(read_yaml(path), origin=str(path)) if path.is_file() else None


def freeze_plan(plan: PlanRecord, folder: Path, scored: Sequence[str | None]) -> PlanRecord:
    """Write a plan to a study's folder, and return the plan that now holds.

    The same plan is not frozen twice. Another one replaces it as long as nothing was scored on the test photos.

    Args:
        plan: the plan.
        folder: the study's folder.
        scored: the plan hash in the record of each finished run and of each intermediate checkpoint.

    Raises:
        UsageError: the plan differs from the frozen one, and runs were scored; or the folder holds a packed study.
        OutputError: the file cannot be written.
    """
    check_unpacked(folder)
    there = check_plan(folder, scored) if scored else read_plan(folder)
    if there is not None and _same(there, plan):
        return there
    if scored:
        why = "its plan cannot change any more" if there else "a plan that is frozen now would come too late"
        raise UsageError(
            f"{folder}: test scores of {plural(len(scored), 'network')} exist already, so {why}; "
            "choose another --out for a study with a plan of its own"
        )
    save_plan(plan, folder)
    return plan


def save_plan(plan: PlanRecord, folder: Path) -> None:
    """Write a frozen plan to a study's folder, unchanged.

    Raises:
        OutputError: the file cannot be written.
    """
    text = yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    write_text(folder / PLAN_FILE, text)


def _same(one: PlanRecord, other: PlanRecord) -> bool:
    moment = {"frozen", "sha256"}
    return one.model_dump(exclude=moment) == other.model_dump(exclude=moment)


def check_plan(folder: Path, scored: Sequence[str | None]) -> PlanRecord | None:
    """Return the frozen plan of a study's folder, None where there is none, after checking that it was not changed.

    Raises:
        UsageError: the plan was changed after it was frozen, or it is missing although runs were scored under it.
    """
    plan = read_plan(folder)
    changed = plan_change(plan, scored)
    if changed is not None:
        raise UsageError(f"{folder / PLAN_FILE}: {changed}; restore the frozen file, or choose another --out")
    return plan


def plan_change(plan: PlanRecord | None, scored: Sequence[str | None]) -> str | None:
    """Return in words what happened to a plan since the first test score, None where nothing did.

    Args:
        plan: the plan that is there.
        scored: the plan hash in the record of each finished run and of each intermediate checkpoint.
    """
    hashes = {sha256 for sha256 in scored if sha256 is not None}
    if plan is None:
        return "the plan is gone under which runs were scored" if hashes else None
    if plan.sha256 != plan.content_sha256:
        return "the plan was edited after it was frozen"
    if hashes - {plan.sha256}:
        return "the plan was replaced after runs were scored under another one"
    return None

"""The plan of a survey, registered with its design: exclusion rules, stopping rule, analysis and power."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from chromalab.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from chromalab.survey.questions import Question

CONDITION_RANGES = {
    "screen_px_per_mm": "card", "distance_mm": "distance", "px_per_degree": "distance", "gamma": "brightness"
}  # fmt: skip
"""Exclusion rules that give a range, and the setting of `viewing` that measures the condition."""

DARK_LIMIT, BRIGHT_LIMIT = 16, 239
"""Gray levels that `exclusions.brightness` asks people to tell from black and from white."""

MIN_REPEATS = 4
"""Number of repeats from which `exclusions.repeat_share` applies."""


class Exclusions(Record):
    """Exclusion rules, fixed in advance. Excluded votes are labeled, never deleted.

    Attributes:
        vigilance_share: minimum share of correct attention checks.
        fast_ms: answers faster than this many milliseconds count as fast.
        fast_share: maximum share of fast answers.
        side_p: exclude participants whose two-sided binomial test of left against right is below this p-value.
        repeat_share: minimum share of consistent answers to flipped repeats, from four repeats on.
        outlier_distance: maximum distance of a participant's mean log-likelihood under the scores of all others below
            the first quartile, in interquartile ranges. None reports the distance without excluding anyone.
        bt500: exclude raters that ITU-R BT.500 rejects (ratings only).
        overruns: exclude trials whose stimulus was shown over 15% longer than the design's duration.
        hidden: exclude trials whose images were not wholly inside the window.
        reduced: exclude trials whose images were shown smaller than their true size.
        screening: exclude participants who did not pass the screening of color vision.
        unfinished: exclude participants who did not finish.
        screen_px_per_mm: exclude participants whose screen does not have this range of screen pixels per millimeter.
            This rule and the following ones also exclude those who skipped the measurement.
        distance_mm: exclude participants who sat at a distance outside this range, in millimeters.
        px_per_degree: exclude participants for whom a degree of visual angle did not have this range of screen pixels.
        gamma: exclude participants whose estimated gamma is outside this range.
        brightness: exclude participants who could not tell gray level 16 from black (0) or 239 from white (255).
    """

    vigilance_share: float = Field(default=0.7, ge=0, le=1)
    fast_ms: int = Field(default=250, ge=0)
    fast_share: float = Field(default=0.5, ge=0, le=1)
    side_p: float = Field(default=0.001, ge=0, le=1)
    repeat_share: float = Field(default=0.0, ge=0, le=1)
    outlier_distance: float | None = Field(default=None, gt=0)
    bt500: bool = True
    overruns: bool = False
    hidden: bool = False
    reduced: bool = False
    screening: bool = False
    unfinished: bool = False
    screen_px_per_mm: tuple[FiniteFloat, FiniteFloat] | None = None
    distance_mm: tuple[FiniteFloat, FiniteFloat] | None = None
    px_per_degree: tuple[FiniteFloat, FiniteFloat] | None = None
    gamma: tuple[FiniteFloat, FiniteFloat] | None = None
    brightness: bool = False

    def fails_checks(self, right: int, checks: int) -> bool:
        """Return whether a participant with `right` of `checks` correct attention checks is excluded."""
        return right < self.vigilance_share * checks

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        for name in CONDITION_RANGES:
            limits = getattr(self, name)
            if limits is not None and not 0 <= limits[0] < limits[1]:
                raise ValueError(f"exclusions.{name}: {list(limits)} is no range; write [lowest, highest]")
        return self


class Stop(Record):
    """Stopping rule.

    Attributes:
        rule: `fixed` stops when `participants` have finished. `precision` also stops earlier, when the intervals of all
            methods are narrow enough at one of the `looks`.
        participants: maximum number of participants.
        half_width: required half width of the 95% intervals, in the unit of the scores (log-ability, rate or rating).
        looks: numbers of finished participants at which the intervals are checked.
    """

    rule: Literal["fixed", "precision"] = "fixed"
    participants: int = Field(default=30, ge=1, le=100_000)
    half_width: float | None = Field(default=None, gt=0)
    looks: list[int] = []

    @model_validator(mode="after")
    def _looks_are_declared(self) -> Self:
        if self.rule == "precision" and (self.half_width is None or not self.looks):
            looks = sorted({max(1, share * self.participants // 3) for share in (1, 2)})
            raise ValueError(
                f"stop.rule: precision needs half_width and looks; add for example half_width: 0.3 and looks: {looks}"
            )
        if any(not 1 <= look <= self.participants for look in self.looks):
            raise ValueError(f"stop.looks: {self.looks} must lie between 1 and stop.participants ({self.participants})")
        return self


class SubgroupPlan(Record):
    """A question whose answers divide the participants into groups, in YAML also just its name.

    Attributes:
        question: name of the question.
        bins: ascending edges of groups of numbers or Likert steps: [30, 50] gives three groups. Without edges, numbers
            are divided at their median, and each Likert step is a group.
    """

    question: str
    bins: list[float] = []

    @model_validator(mode="before")
    @classmethod
    def _or_its_name(cls, data: Any) -> Any:
        return {"question": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(first >= second for first, second in pairwise(self.bins)):
            raise ValueError(f"analysis.subgroups: the bins of {self.question} must ascend, not {self.bins}")
        return self

    def fault(self, questions: Sequence[Question]) -> str | None:
        """Return why the questions of a design give no such groups, or None."""
        kinds = {each.name: each.kind for each in questions}
        kind = kinds.get(self.question)
        if kind is None:
            return f"analysis.subgroups: there is no question {self.question}; add it to before or after"
        if kind == "text":
            return f"analysis.subgroups: {self.question} is a text, whose answers give no groups; remove it"
        if kind == "choice" and self.bins:
            return f"analysis.subgroups: {self.question} is a choice and has no bins; remove them"
        return None


class AnalysisPlan(Record):
    """The analysis plan, registered with the design.

    Attributes:
        level: confidence level of intervals.
        draws: draws of each bootstrap.
        prior_sd: standard deviation of the normal prior on log-abilities; None means maximum likelihood.
        order_effect: whether to estimate the advantage of the left side.
        primary: pairs of methods whose comparison decides the study; None treats all pairs alike.
        margin: largest difference without practical meaning, in the unit of the scores (log-odds, rate or rating
            points), for equivalence tests.
        subgroups: questions before or after the trials whose answers give groups of participants with scores of their
            own.
    """

    level: float = Field(default=0.95, gt=0.5, lt=1)
    draws: int = Field(default=1000, ge=100)
    prior_sd: float | None = Field(default=3.0, gt=0)
    order_effect: bool = True
    primary: list[tuple[str, str]] | None = Field(default=None, min_length=1)
    margin: float | None = Field(default=None, gt=0)
    subgroups: list[SubgroupPlan] = []


class Power(Record):
    """Assumptions of the power simulation of `survey create`.

    Attributes:
        difference: difference between two neighboring methods in log-odds; 0.4 is a preference of 60 to 40. For
            ratings, its unit and that of the others is a point of the scale from 1 to 5, which is 25 on a slider.
        rater_sd: standard deviation of abilities between participants, in log-odds.
        photo_sd: standard deviation of abilities between photos, in log-odds.
        simulations: simulated studies for each number of participants.
    """

    difference: float = Field(default=0.4, gt=0)
    rater_sd: float = Field(default=0.5, ge=0)
    photo_sd: float = Field(default=0.4, ge=0)
    simulations: int = Field(default=200, ge=20, le=10_000)

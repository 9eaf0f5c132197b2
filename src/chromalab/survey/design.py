"""The design of a survey, fixed before the first vote."""

from __future__ import annotations

import hashlib
import json
import re
from difflib import SequenceMatcher
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field, FiniteFloat, model_validator

from chromalab.core.records import Record, read_preset
from chromalab.survey.questions import Question

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

Protocol = Literal["real_or_fake", "pairwise", "rating", "rank_order"]
Form = Literal["side_by_side", "sequential", "yes_no", "slider"]
Access = Literal["open", "invited", "platform", "lab"]

TRUTH, GREY, RANDOM, DAMAGED = "truth", "grey", "random", "damaged"
"""Reserved names: the ground-truth photo, the gray photo, and for attention checks random colors in place of those of a
method, and damaged ones in place of the true ones."""

STAND_INS = frozenset({RANDOM, DAMAGED})
"""Images that only attention checks and practice show."""

RESERVED = STAND_INS | {TRUTH, GREY}
"""Names that no method can have."""

DAMAGEABLE = ("pairwise", "rating")
"""Protocols whose attention checks and practice can show damaged colors; rankings have random colors among methods."""

MIN_CHECKS = 3
"""Fewest attention checks of a participant in a new survey that has any."""

LANGUAGES = ("en", "fr", "ja")
MAX_SIDE_PX = 1600

MEASUREMENTS = {
    "card": ("css_px_per_mm", "screen_px_per_mm"),
    "distance": ("distance_mm", "distance_spread_mm", "px_per_degree"),
    "brightness": ("darkest_step", "brightest_step", "gamma"),
}
"""Conditions that each step of `viewing` measures, as they are stored with a participant and named in exports."""

CONDITIONS = tuple(name for names in MEASUREMENTS.values() for name in names)

CONDITION_RANGES = {
    "screen_px_per_mm": "card", "distance_mm": "distance", "px_per_degree": "distance", "gamma": "brightness"
}  # fmt: skip
"""Exclusion rules that give a range, and the setting of `viewing` that measures the condition."""

DARK_LIMIT, BRIGHT_LIMIT = 16, 239
"""Gray levels that `exclusions.brightness` asks people to tell from black and from white."""


class Consent(Record):
    """The consent form.

    Attributes:
        version: version of the text, to be increased with every change. Stored with each consent and the text's hash.
        contact: name and e-mail address for questions; inserted into the text.
        institution: the institution that runs the study; inserted into the text.
        text: text by language, in place of the built-in one. `{contact}`, `{institution}` and `{minutes}` are replaced.
    """

    version: str = "1"
    contact: str = ""
    institution: str = ""
    text: dict[str, str] = {}


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

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        for name in CONDITION_RANGES:
            limits = getattr(self, name)
            if limits is not None and not 0 <= limits[0] < limits[1]:
                raise ValueError(f"exclusions.{name}: {list(limits)} is no range; write [lowest, highest]")
        return self


class Wording(Record):
    """Own words of a study in one language. Empty lines separate paragraphs, and `**` encloses bold words.

    Attributes:
        question: the question of every trial; '' for the protocol's own.
        instructions: the instructions; '' for the protocol's own.
        thanks: a text on the last page.
    """

    question: str = ""
    instructions: str = ""
    thanks: str = ""


class Viewing(Record):
    """Conditions of viewing.

    Images are never cropped: if a window is too small for one screen pixel per image pixel, all images of a trial
    shrink together, to 3/4, 2/3, 1/2, 1/3 and so on.

    Attributes:
        min_scale: fewest screen pixels per image pixel; people whose window stays smaller cannot take part.
        devices: `desktop` refuses phones and tablets.
        fullscreen: whether trials ask for the full screen; those without it are flagged.
        card: whether people fit an outline to a bank card, which gives the screen's pixels per millimeter.
        distance: whether to measure the viewing distance by the blind spot; needs the card.
        brightness: whether to check which gray steps near black and white people see, and the gamma of the screen.
        surround: neutral color around the images, `gray` (L* = 50), `light` or `dark`, whatever theme people prefer.
    """

    min_scale: float = Field(default=0.25, gt=0, le=1)
    devices: Literal["any", "desktop"] = "any"
    fullscreen: bool = False
    card: bool = False
    distance: bool = False
    brightness: bool = False
    surround: Literal["light", "gray", "dark"] = "gray"

    @model_validator(mode="after")
    def _distance_needs_the_card(self) -> Self:
        if self.distance and not self.card:
            raise ValueError("viewing.distance needs the size of the screen's pixels; add card: true")
        return self

    @property
    def steps(self) -> tuple[str, ...]:
        """Measurements before the trials, in order."""
        return tuple(name for name in MEASUREMENTS if getattr(self, name))


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
            raise ValueError(
                "stop.rule: precision needs half_width and looks; add for example half_width: 0.3 and looks: [20, 40]"
            )
        if any(not 1 <= look <= self.participants for look in self.looks):
            raise ValueError(f"stop.looks: {self.looks} must lie between 1 and stop.participants ({self.participants})")
        return self


class Recruitment(Record):
    """Links to and from a recruitment platform.

    People leave with a link, a code or both. `screen_out_url` is for those who decline or are screened out if neither
    a link nor a code is set for them. If none is set for failed attention checks, these people leave like all others.

    Attributes:
        participant_param: URL parameter with the platform's participant ID (default: Prolific's name).
        study_param: URL parameter with the platform's study ID.
        session_param: URL parameter with the platform's session ID.
        completion_url: redirect after the last trial; None shows only the completion code.
        screen_out_url: redirect for people who decline or are screened out, unless a link or code is set for them.
        declined_url: redirect for people who do not consent.
        declined_code: code for them.
        screened_url: redirect for people whose device, window or practice does not fit the study, or who do not pass a
            screening of color vision that `exclusions` makes a condition.
        screened_code: code for them.
        failed_url: redirect after the last trial for participants who failed the attention checks.
        failed_code: code for them; it must not resemble the others.
        full_url: redirect for participants who arrive after the survey has ended.
        stopped_url: redirect for participants whom the end of the survey interrupts, such as a link to a payment.
        code: completion code for all participants; None generates one for each.
        id_pattern: regular expression that participant IDs must match as a whole; None takes the form of Prolific's or
            Mechanical Turk's IDs for their parameters, and otherwise letters, digits and `_.@-`.
        signed: whether links need the parameter `signature`, which only `chromalab survey links` can compute.
    """

    participant_param: str = "PROLIFIC_PID"
    study_param: str = "STUDY_ID"
    session_param: str = "SESSION_ID"
    completion_url: str | None = None
    screen_out_url: str | None = None
    declined_url: str | None = None
    declined_code: str | None = None
    screened_url: str | None = None
    screened_code: str | None = None
    failed_url: str | None = None
    failed_code: str | None = None
    full_url: str | None = None
    stopped_url: str | None = None
    code: str | None = None
    id_pattern: str | None = None
    signed: bool = False

    @model_validator(mode="after")
    def _is_a_pattern(self) -> Self:
        try:
            re.compile(self.id_pattern or "")
        except re.error as error:
            raise ValueError(f"id_pattern: '{self.id_pattern}' is not a regular expression: {error}") from None
        return self

    @model_validator(mode="after")
    def _web_addresses(self) -> Self:
        for url in (
            self.completion_url, self.screen_out_url, self.declined_url, self.screened_url, self.failed_url,
            self.full_url, self.stopped_url,
        ):  # fmt: skip
            if url is not None and not url.startswith(("https://", "http://")):
                raise ValueError(f"'{url}' is not a web address; start the redirect with https://")
        return self

    @model_validator(mode="after")
    def _codes_cannot_be_guessed(self) -> Self:
        names = [name for name in ("code", "declined_code", "screened_code", "failed_code") if getattr(self, name)]
        for first, second in combinations(names, 2):
            one, other = (getattr(self, name).upper() for name in (first, second))
            if SequenceMatcher(None, one, other).ratio() > _MOST_ALIKE:
                raise ValueError(
                    f"recruitment.{second}: '{getattr(self, second)}' resembles recruitment.{first}, so one could be "
                    "guessed from the other; choose unrelated codes"
                )
        return self

    @property
    def screens_out(self) -> bool:
        """Whether people who are screened out have a link or code of their own."""
        return bool(self.screened_url or self.screened_code)

    @property
    def tells_failed(self) -> bool:
        """Whether people who fail the attention checks have a link or code of their own."""
        return bool(self.failed_url or self.failed_code)

    def way_out(self, outcome: Literal["declined", "screened"]) -> WayOut:
        """Return the way back to the platform of people who decline or are screened out."""
        url, code = getattr(self, f"{outcome}_url"), getattr(self, f"{outcome}_code")
        return WayOut(url, code) if url or code else WayOut(self.screen_out_url, None)


class WayOut(NamedTuple):
    """How people return to the platform: a redirect, a code, both or neither."""

    redirect: str | None
    code: str | None


_MOST_ALIKE = 0.6
"""Largest similarity of two codes, the share of their characters in common blocks. Random codes have about 0.2."""


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


class Design(Record):
    """A survey as its author writes it. The survey's own file states every default.

    Attributes:
        title: title of the first page.
        protocol: `pairwise`, `rank_order`, `real_or_fake` or `rating`.
        form: layout of real-or-fake stimuli: `side_by_side`, one after the other (`sequential`) or alone (`yes_no`).
            For ratings, `slider` takes a scale from 0 to 100 instead of five categories.
        per_trial: images that a trial of `rank_order` shows; None takes 4, or all methods if there are fewer.
        trials: scored trials per participant.
        practice: unscored practice trials at the start.
        feedback: whether practice trials of `pairwise` and `rating` show true and damaged colors, and then the right
            answer. Those of `real_or_fake` always do.
        practice_pass: fewest right practice answers. Participants with fewer repeat the practice once, and with fewer
            again cannot go on. None lets everyone go on.
        repeats: share of pairs repeated with sides flipped to measure consistency; never scored.
        vigilance: share of attention checks, which show colors that nobody can prefer. `survey create` raises a share
            that gives fewer than three checks.
        reference: whether to show the gray photo beside a pair.
        tie: whether to allow "no difference".
        inspect: what participants may do with a pair: `flicker` shows both images in one place, one after the other,
            and `zoom` enlarges both by whole factors with common panning.
        flicker_hz: switches per second of an automatic flicker, which participants start and stop; None offers none.
            At most 2.5, because more than three flashes a second can cause seizures (WCAG 2.2, 2.3.1).
        pairs: `uniform` or `adaptive` selection of pairs.
        exploration: share of adaptive selections made uniformly.
        display_ms: display duration of stimuli in milliseconds; None shows them until the answer.
        size_px: longest side of stimuli in pixels; larger images are reduced.
        square: whether to crop images to their central square first, as Zhang et al. (2016) do.
        viewing: conditions of viewing.
        screening: whether to screen color vision first.
        access: who may take part: anyone with the link (`open`), people with a personal link (`invited`), people whom a
            recruitment platform sends (`platform`), or the computers of a lab with its link (`lab`). Completion codes
            are not given to `open`. If omitted, `platform` for a design with a completion code or URL, else `open`.
        languages: languages offered to participants; the first is the default.
        consent: the consent form.
        wording: own words by language, in place of the built-in ones.
        before: questions before the trials; `age`, `gender`, `expertise` and `comment` are ready-made.
        after: questions after the trials.
        break_every: number of trials after which a break is offered; None offers none.
        exclusions: the exclusion rules.
        stop: the stopping rule.
        recruitment: links to a recruitment platform.
        power: assumptions of the power simulation.
        analysis: the analysis plan.
        lease_minutes: minutes without activity after which a participant's place and open trials become free.
    """

    title: str = "Which colors do you prefer?"
    protocol: Protocol
    form: Form = "side_by_side"
    per_trial: int | None = Field(default=None, ge=3, le=6)
    trials: int = Field(default=40, ge=1, le=2000)
    practice: int = Field(default=2, ge=0, le=100)
    feedback: bool = False
    practice_pass: int | None = Field(default=None, ge=1)
    repeats: float = Field(default=0.05, ge=0, le=0.5)
    vigilance: float = Field(default=0.075, ge=0, le=0.5)
    reference: bool = False
    tie: bool = False
    inspect: list[Literal["flicker", "zoom"]] = []
    flicker_hz: float | None = Field(default=None, gt=0, le=2.5)
    pairs: Literal["uniform", "adaptive"] = "uniform"
    exploration: float = Field(default=0.2, gt=0, le=1)
    display_ms: int | None = Field(default=None, ge=50, le=60_000)
    size_px: int = Field(default=512, ge=32, le=MAX_SIDE_PX)
    square: bool = False
    viewing: Viewing = Viewing()
    screening: bool = True
    access: Access = "open"
    languages: list[str] = Field(default=list(LANGUAGES), min_length=1)
    consent: Consent = Consent()
    wording: dict[str, Wording] = {}
    before: list[Question] = []
    after: list[Question] = []
    break_every: int | None = Field(default=None, ge=5)
    exclusions: Exclusions = Exclusions()
    stop: Stop = Stop()
    recruitment: Recruitment = Recruitment()
    power: Power = Power()
    analysis: AnalysisPlan = AnalysisPlan()
    lease_minutes: float = Field(default=15, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _access_by_recruitment(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "access" in data:
            return data
        recruitment = data.get("recruitment") or {}
        return {
            **data,
            "access": _usual_access(recruitment if isinstance(recruitment, dict) else recruitment.model_dump()),
        }

    @model_validator(mode="after")
    def _codes_need_controlled_access(self) -> Self:
        for name in ("code", "completion_url", "declined_code", "screened_code", "failed_code"):
            if self.access == "open" and getattr(self.recruitment, name):
                raise ValueError(
                    f"recruitment.{name}: anyone could get it with access: open; set access to platform, invited or "
                    f"lab, or remove recruitment.{name}"
                )
        if self.recruitment.signed and self.access != "platform":
            raise ValueError(f"recruitment.signed applies only to access: platform, not {self.access}; remove it")
        return self

    @model_validator(mode="after")
    def _rules_need_their_measurements(self) -> Self:
        for name, step in {**CONDITION_RANGES, "brightness": "brightness"}.items():
            if getattr(self.exclusions, name) and not getattr(self.viewing, step):
                raise ValueError(f"exclusions.{name} needs a measurement; add {step}: true to viewing, or remove it")
        return self

    @model_validator(mode="after")
    def _fits_its_protocol(self) -> Self:
        protocol = "rating" if self.form == "slider" else "real_or_fake"
        if self.form != "side_by_side" and self.protocol != protocol:
            raise ValueError(f"form: {self.form} applies only to protocol {protocol}; remove it")
        if self.protocol != "rank_order" and self.per_trial is not None:
            raise ValueError("per_trial applies only to protocol rank_order; remove it")
        if self.protocol == "rank_order" and self.display_ms is not None:
            raise ValueError("display_ms does not apply to rank_order, whose images stay until the answer; remove it")
        if self.protocol != "pairwise":
            for name in ("reference", "tie", "inspect"):
                if getattr(self, name):
                    raise ValueError(f"{name} applies only to protocol pairwise; remove it")
            if self.pairs == "adaptive":
                raise ValueError("pairs: adaptive applies only to protocol pairwise; remove it")
        return self

    @model_validator(mode="after")
    def _questions_fit(self) -> Self:
        names = [question.name for question in (*self.before, *self.after)]
        if len(names) != len(set(names)):
            raise ValueError("before and after: two questions have the same name; rename one")
        for plan in self.analysis.subgroups:
            if fault := plan.fault((*self.before, *self.after)):
                raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _practice_has_right_answers(self) -> Self:
        if self.feedback and self.protocol == "real_or_fake":
            raise ValueError("feedback: real_or_fake always gives it; remove feedback")
        if self.feedback and self.protocol not in DAMAGEABLE:
            raise ValueError(f"feedback applies only to protocols {' and '.join(DAMAGEABLE)}; remove it")
        if self.feedback and not self.practice:
            raise ValueError("feedback needs practice trials; set practice to 2, for example, or remove feedback")
        if self.practice_pass is not None and not self.feedback:
            raise ValueError(
                "practice_pass: without feedback: true no answer is right or wrong"
                if self.protocol != "real_or_fake"
                else "practice_pass: people who tell real from fake would bias the fooling rate; remove it"
            )
        if self.practice_pass is not None and self.practice_pass > self.practice:
            raise ValueError(f"practice_pass: {self.practice_pass} is more than practice ({self.practice}); lower it")
        return self

    @model_validator(mode="after")
    def _inspects_lasting_images(self) -> Self:
        if self.inspect and self.display_ms is not None:
            raise ValueError("inspect needs images that stay until the answer; remove display_ms")
        if self.flicker_hz is not None and "flicker" not in self.inspect:
            raise ValueError("flicker_hz applies only to inspect: [flicker]; add it, or remove flicker_hz")
        return self

    @property
    def n_vigilance(self) -> int:
        """Attention checks per participant."""
        return round(self.vigilance * self.trials)

    @property
    def n_repeats(self) -> int:
        """Flipped repeats per participant."""
        return round(self.repeats * self.trials) if self.protocol in {"pairwise", "rank_order"} else 0

    @property
    def scale(self) -> int:
        """The highest rating: 5 (from 1), or 100 (from 0) on a slider."""
        return 100 if self.form == "slider" else 5

    def n_shown(self, n_methods: int) -> int:
        """Return how many images a trial of `rank_order` shows."""
        return self.per_trial or min(4, n_methods)

    @property
    def two_stimuli(self) -> bool:
        """Whether a trial shows two stimuli to choose from."""
        return self.protocol == "pairwise" or (self.protocol == "real_or_fake" and self.form != "yes_no")

    @property
    def minutes(self) -> int:
        """Approximate duration of a session in minutes."""
        images = (self.per_trial or 4) if self.protocol == "rank_order" else 1
        per_trial_s = 4.0 * images + (self.display_ms or 1000) / 1000
        total = self.trials + self.practice + self.n_repeats + self.n_vigilance
        return max(1, round((60 + 40 * len(self.viewing.steps) + total * per_trial_s) / 60))


_PUBLISHED: dict[str, dict[str, object]] = {
    # Zhang, Isola and Efros (2016), section 3.1: 256 px, 1 s, 10 practice and 40 test pairs, 10% vigilance.
    "real_or_fake": {"trials": 40, "practice": 10, "vigilance": 0.1, "display_ms": 1000, "size_px": 256, "square": True,
                     "title": "Which photo has its true colors?"},
    "rating": {"title": "How natural are these colors?", "practice": 3},
    "pairwise": {},
    "rank_order": {"trials": 15},
}  # fmt: skip


def parse_design(data: object, *, origin: str) -> Design:
    """Check a design; keys that it omits take the published values of its protocol.

    Raises:
        ConfigError: a key is unknown or a value is invalid.
    """
    if isinstance(data, dict):
        data = {**_PUBLISHED.get(str(data.get("protocol")), {}), **data}
    return Design.parse(data, origin=origin)


def load_design(path: Path) -> Design:
    """Read a design from a YAML file or from a preset such as `preference`.

    Raises:
        ConfigError: the file or preset does not exist, is not YAML, or is invalid.
    """
    data, found = read_preset("surveys", path)
    return parse_design(data, origin=str(found))


def _usual_access(recruitment: dict[str, Any]) -> Access:
    """Return the access mode of a design that does not name one."""
    return "platform" if recruitment.get("completion_url") or recruitment.get("code") else "open"


_ADDED = {
    "analysis": ("primary", "margin", "subgroups"),
    "recruitment": (
        "id_pattern", "signed", "stopped_url", "declined_url", "declined_code", "screened_url", "screened_code",
        "failed_url", "failed_code",
    ),
    "exclusions": ("hidden", "reduced", "screening", "unfinished", *CONDITION_RANGES, "brightness"),
}  # fmt: skip
"""Settings that are newer than the first surveys. Unset, they do not enter the hash, nor does the usual access mode."""


def survey_hash(survey: dict[str, Any]) -> str:
    """Return the SHA-256 that identifies a survey's design, analysis plan and stimuli.

    Args:
        survey: a `SurveyRecord` as JSON data, of this or an older version.
    """
    design = dict(survey["design"])
    for part, added in _ADDED.items():
        design[part] = {name: value for name, value in design[part].items() if name not in added or value}
    if design.get("access") == _usual_access(design["recruitment"]):
        del design["access"]
    usual, viewing = Viewing().model_dump(mode="json"), design.pop("viewing", {})
    if any(value != usual.get(name) for name, value in viewing.items()):
        added = (*MEASUREMENTS, "surround")
        kept = {name: value for name, value in viewing.items() if name not in added or value != usual[name]}
        design["viewing"] = kept
    for name in (
        "wording", "before", "after", "break_every", "feedback", "practice_pass", "per_trial", "inspect", "flicker_hz",
    ):  # fmt: skip
        if not design.get(name):
            design.pop(name, None)
    content = {**survey, "design": design}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()

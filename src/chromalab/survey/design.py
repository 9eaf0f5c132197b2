"""The design of a survey, fixed before the first vote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from chromalab.core.records import Record, read_preset
from chromalab.survey.plan import CONDITION_RANGES, AnalysisPlan, Exclusions, Power, Stop
from chromalab.survey.questions import Question
from chromalab.survey.recruitment import Access, Recruitment, usual_access

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

Protocol = Literal["real_or_fake", "pairwise", "rating", "rank_order"]
Form = Literal["side_by_side", "sequential", "yes_no", "slider"]

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
            "access": usual_access(recruitment if isinstance(recruitment, dict) else recruitment.model_dump()),
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
    def allowed_misses(self) -> int:
        """Attention checks that a participant may fail without being excluded."""
        checks = self.n_vigilance
        return sum(not self.exclusions.fails_checks(right, checks) for right in range(checks))

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


_DEFAULTS: dict[str, dict[str, object]] = {
    # Zhang, Isola and Efros (2016), section 3.1: 256 px, 1 s, 10 practice and 40 test pairs, 10% vigilance.
    "real_or_fake": {"trials": 40, "practice": 10, "vigilance": 0.1, "display_ms": 1000, "size_px": 256, "square": True,
                     "title": "Which photo has its true colors?"},
    "rating": {"title": "How natural are these colors?", "practice": 3},
    "pairwise": {},
    "rank_order": {"trials": 15},
}  # fmt: skip


def parse_design(data: object, *, origin: str) -> Design:
    """Check a design; keys that it omits take the defaults of its protocol.

    Raises:
        ConfigError: a key is unknown or a value is invalid.
    """
    if isinstance(data, dict):
        data = {**_DEFAULTS.get(str(data.get("protocol")), {}), **data}
    return Design.parse(data, origin=origin)


def load_design(path: Path) -> Design:
    """Read a design from a YAML file or from a preset such as `preference`.

    Raises:
        ConfigError: the file or preset does not exist, is not YAML, or is invalid.
    """
    data, found = read_preset("surveys", path)
    return parse_design(data, origin=str(found))

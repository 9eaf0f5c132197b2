"""The design of a survey: everything that is decided before the first vote."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from chromalab.core.records import Record, read_preset

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

Protocol = Literal["real_or_fake", "pairwise", "rating"]
Form = Literal["side_by_side", "sequential", "yes_no"]

TRUTH, GREY, RANDOM = "truth", "grey", "random"
"""Names that no method may have: the true photograph, the gray one, and random colors for attention checks."""

LANGUAGES = ("en", "fr", "ja")
MAX_SIDE_PX = 1600


class Consent(Record):
    """What people agree to.

    Attributes:
        version: goes up whenever the text changes; stored with every consent, together with the text's hash.
        contact: who answers questions, as a name and an e-mail address; part of the text.
        institution: who runs the study; part of the text.
        text: the text in each language, in place of the built-in one; `{contact}`, `{institution}` and `{minutes}` in
            it are filled in.
    """

    version: str = "1"
    contact: str = ""
    institution: str = ""
    text: dict[str, str] = {}


class Exclusions(Record):
    """Who is left out of the scores. Fixed beforehand; rows are labeled, never deleted.

    Attributes:
        vigilance_share: at least this share of attention checks must be right.
        fast_ms: answers faster than this are counted as fast,
        fast_share: and at most this share of a person's answers may be.
        side_p: a two-sided binomial test of left against right below this counts as pressing one side.
        repeat_share: at least this share of flipped repeats must be answered alike (from four repeats on).
        outlier_distance: how many interquartile ranges below the first quartile a person's mean log-likelihood under
            everybody else's scores may lie. None: reported, excludes nobody.
        bt500: leave out raters whom ITU-R BT.500 rejects (ratings only).
        overruns: leave out single trials whose picture stood longer than the design says by over 15%.
    """

    vigilance_share: float = Field(default=0.7, ge=0, le=1)
    fast_ms: int = Field(default=250, ge=0)
    fast_share: float = Field(default=0.5, ge=0, le=1)
    side_p: float = Field(default=0.001, ge=0, le=1)
    repeat_share: float = Field(default=0.0, ge=0, le=1)
    outlier_distance: float | None = Field(default=None, gt=0)
    bt500: bool = True
    overruns: bool = False


class Stop(Record):
    """When the survey ends.

    Attributes:
        rule: `fixed`: when `participants` have finished; `precision`: when at a declared look every method's interval
            is narrow enough, or when `participants` have finished.
        participants: people at most.
        half_width: of the 95% intervals, in the unit of the scores (log-abilities, rates or rating points).
        looks: numbers of finished people at which, and only at which, intervals are looked at.
    """

    rule: Literal["fixed", "precision"] = "fixed"
    participants: int = Field(default=30, ge=1, le=100_000)
    half_width: float | None = Field(default=None, gt=0)
    looks: list[int] = []

    @model_validator(mode="after")
    def _looks_are_declared(self) -> Self:
        if self.rule == "precision" and (self.half_width is None or not self.looks):
            raise ValueError("stopping by precision needs half_width, and looks fixed beforehand, as [20, 40]")
        if any(not 1 <= look <= self.participants for look in self.looks):
            raise ValueError(f"looks lie between 1 and participants ({self.participants})")
        return self


class Recruitment(Record):
    """How people of a recruitment platform come and go.

    Attributes:
        participant_param: URL parameter with the person's id there (Prolific's names by default).
        study_param: with the study's id.
        session_param: with the session's id.
        completion_url: where to send people who have finished; None shows the code alone.
        screen_out_url: where to send those who don't agree or can't take part.
        full_url: where to send those who come too late.
        code: what people copy by hand where redirects fail; None makes one for each person.
    """

    participant_param: str = "PROLIFIC_PID"
    study_param: str = "STUDY_ID"
    session_param: str = "SESSION_ID"
    completion_url: str | None = None
    screen_out_url: str | None = None
    full_url: str | None = None
    code: str | None = None

    @model_validator(mode="after")
    def _web_addresses(self) -> Self:
        for url in (self.completion_url, self.screen_out_url, self.full_url):
            if url is not None and not url.startswith(("https://", "http://")):
                raise ValueError(f"a redirect is a web address that begins with https://, not '{url}'")
        return self


class Power(Record):
    """What the power simulation of `survey create` assumes.

    Attributes:
        difference: between two neighboring methods in log-odds; .4 is a preference of 60 to 40.
        rater_sd: spread of people's own abilities around the common ones, in log-odds.
        photo_sd: the same over photographs.
        simulations: studies that are simulated for each number of people.
    """

    difference: float = Field(default=0.4, gt=0)
    rater_sd: float = Field(default=0.5, ge=0)
    photo_sd: float = Field(default=0.4, ge=0)
    simulations: int = Field(default=200, ge=20, le=10_000)


class AnalysisPlan(Record):
    """How scores are reckoned; frozen with the design.

    Attributes:
        level: of intervals.
        draws: of every bootstrap.
        prior_sd: of the normal prior on log-abilities; None: maximum likelihood.
        order_effect: estimate the advantage of the left side.
    """

    level: float = Field(default=0.95, gt=0.5, lt=1)
    draws: int = Field(default=1000, ge=100)
    prior_sd: float | None = Field(default=3.0, gt=0)
    order_effect: bool = True


class Design(Record):
    """A survey as its author writes it; every default is stated in the study's own file.

    Attributes:
        title: what people read first.
        protocol: `pairwise`, `real_or_fake` or `rating`.
        form: of real-or-fake: pictures `side_by_side`, one after the other (`sequential`), or one alone (`yes_no`).
        trials: scored trials for each person.
        practice: trials before them, discarded.
        repeats: share of pairs that come again with sides changed, for consistency; never scored.
        vigilance: share of attention checks, against random colors.
        reference: show the gray photograph beside a pair.
        tie: allow "no difference".
        pairs: `uniform` or `adaptive` choice of pairs.
        exploration: share of adaptive choices that are made uniformly.
        display_ms: how long pictures stand; None: until the answer.
        size_px: longest side at which pictures are shown; larger ones are reduced.
        square: cut pictures to their central square first, as Zhang et al. (2016) show them.
        screening: ask for color vision with generated plates first.
        languages: offered to people; the first is the default.
        consent: what people agree to.
        exclusions: who is left out.
        stop: when it ends.
        recruitment: platforms.
        power: assumptions of the power simulation.
        analysis: how scores are reckoned.
        lease_minutes: after so long without a sign of life a person's open trials count as abandoned.
    """

    title: str = "Which colors do you prefer?"
    protocol: Protocol
    form: Form = "side_by_side"
    trials: int = Field(default=40, ge=1, le=2000)
    practice: int = Field(default=2, ge=0, le=100)
    repeats: float = Field(default=0.05, ge=0, le=0.5)
    vigilance: float = Field(default=0.05, ge=0, le=0.5)
    reference: bool = False
    tie: bool = False
    pairs: Literal["uniform", "adaptive"] = "uniform"
    exploration: float = Field(default=0.2, gt=0, le=1)
    display_ms: int | None = Field(default=None, ge=50, le=60_000)
    size_px: int = Field(default=512, ge=32, le=MAX_SIDE_PX)
    square: bool = False
    screening: bool = True
    languages: list[str] = Field(default=list(LANGUAGES), min_length=1)
    consent: Consent = Consent()
    exclusions: Exclusions = Exclusions()
    stop: Stop = Stop()
    recruitment: Recruitment = Recruitment()
    power: Power = Power()
    analysis: AnalysisPlan = AnalysisPlan()
    lease_minutes: float = Field(default=60, gt=0)

    @model_validator(mode="after")
    def _fits_its_protocol(self) -> Self:
        if self.protocol != "real_or_fake" and self.form != "side_by_side":
            raise ValueError("form belongs to protocol real_or_fake: leave it out")
        if self.protocol != "pairwise":
            for name in ("reference", "tie"):
                if getattr(self, name):
                    raise ValueError(f"{name} belongs to protocol pairwise: leave it out")
            if self.pairs == "adaptive":
                raise ValueError("pairs: adaptive belongs to protocol pairwise: leave it out")
        return self

    @property
    def n_vigilance(self) -> int:
        """Attention checks of each person."""
        return round(self.vigilance * self.trials)

    @property
    def n_repeats(self) -> int:
        """Flipped repeats of each person."""
        return round(self.repeats * self.trials) if self.protocol == "pairwise" else 0

    @property
    def two_stimuli(self) -> bool:
        """Whether a trial has two pictures to choose from."""
        return self.protocol == "pairwise" or (self.protocol == "real_or_fake" and self.form != "yes_no")

    @property
    def minutes(self) -> int:
        """About how long taking part takes."""
        per_trial_s = 4.0 + (self.display_ms or 1000) / 1000
        total = self.trials + self.practice + self.n_repeats + self.n_vigilance
        return max(1, round((60 + total * per_trial_s) / 60))


_PUBLISHED = {
    # Zhang, Isola and Efros (2016), section 3.1: 256 px, 1 s, 10 practice and 40 test pairs, 10% vigilance.
    "real_or_fake": {"trials": 40, "practice": 10, "vigilance": 0.1, "display_ms": 1000, "size_px": 256, "square": True,
                     "title": "Which photo has its true colors?"},
    "rating": {"title": "How natural are these colors?", "practice": 3},
    "pairwise": {},
}  # fmt: skip


def parse_design(data: object, *, origin: str) -> Design:
    """Check a design; what it leaves out takes the published values of its protocol.

    Raises:
        ConfigError: an unknown key, or a value that does not fit.
    """
    if isinstance(data, dict):
        data = {**_PUBLISHED.get(str(data.get("protocol")), {}), **data}
    return Design.parse(data, origin=origin)


def load_design(path: Path) -> Design:
    """Read a design from a YAML file, or the preset of that name, as `preference`.

    Raises:
        ConfigError: no such file or preset, it is not YAML, or it does not fit.
    """
    data, found = read_preset("surveys", path)
    return parse_design(data, origin=str(found))


def canonical_hash(record: Record) -> str:
    """Return the SHA-256 of a record as JSON with sorted keys: the same for the same content."""
    text = json.dumps(record.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()

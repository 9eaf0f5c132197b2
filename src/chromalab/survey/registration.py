"""The frozen design: checks that nobody changed it, and its preregistration as YAML and as text.

The database registers the design when the server starts, and the first vote freezes it. Every command compares the
survey's files with the registration. The analysis follows the registered design, even if `survey.json` was edited.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import yaml
from sqlalchemy import func, select

from chromalab.core.files import write_text
from chromalab.survey.database import Registration, Vote, changed
from chromalab.survey.folder import SurveyRecord, survey_hash
from chromalab.survey.plan import BRIGHT_LIMIT, CONDITION_RANGES, DARK_LIMIT, MIN_REPEATS
from chromalab.survey.votes import SCALES
from chromalab.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from chromalab.survey.database import Database
    from chromalab.survey.design import Design
    from chromalab.survey.plan import AnalysisPlan, Exclusions, Stop


class Frozen(NamedTuple):
    """The design that holds for a survey.

    Attributes:
        record: the registered survey, or that of `survey.json` before the first vote.
        faults: differences between the files and the registration, for the first line of a report.
        sha256: hash of the first registration, or None before the first vote.
        at: time of the first registration in seconds since 1970, or None before the first vote.
    """

    record: SurveyRecord
    faults: list[str]
    sha256: str | None
    at: float | None


def frozen_design(record: SurveyRecord, database: Database) -> Frozen:
    """Return the design that holds, after comparing `survey.json` with the registration.

    Args:
        record: the content of `survey.json`.
        database: the survey's database.
    """
    with database.read() as connection:
        return _frozen(record, connection)


def _frozen(record: SurveyRecord, connection: Connection) -> Frozen:
    entries = list(connection.execute(select(Registration.__table__).order_by(Registration.id)))
    if not connection.scalar(select(func.count()).select_from(Vote)):
        return Frozen(record, [], None, None)
    if not entries:
        return Frozen(record, ["the database has votes but no registered design, so nothing was frozen"], None, None)
    faults = [
        f"registration {number} in the database was altered: its content has the SHA-256 {found}, not {entry.sha256}"
        for number, entry in enumerate(entries, start=1)
        if (found := survey_hash(entry.record)) != entry.sha256
    ]
    last, held = entries[-1], record
    if record.sha256 != last.sha256:
        differences = changed(last.record, record.model_dump(mode="json"))
        faults.append(
            "survey.json was edited after the first vote and differs from the registered design: "
            + "; ".join(_shortened(text) for text in differences)
        )
        held = SurveyRecord.parse(last.record, origin="the registration in the database")
    return Frozen(held, faults, entries[0].sha256, entries[0].at)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


_LONGEST = 300


def preregistration(frozen: Frozen) -> dict[str, object]:
    """Return the preregistration of a survey as plain data."""
    record = frozen.record
    design, plan = record.design, record.design.analysis
    return {
        "title": design.title,
        "sha256": frozen.sha256 or record.sha256,
        "registered_at": None if frozen.at is None else _time(frozen.at),
        "exported_at": _time(datetime.now(tz=UTC).timestamp()),
        "chromalab": __version__,
        "methods": record.methods,
        "photos": [scene.name for scene in record.scenes],
        "primary_contrasts": [f"{first} - {second}" for first, second in primary_pairs(plan, record.methods)],
        "equivalence_margin": plan.margin,
        "exclusions": design.exclusions.model_dump(mode="json"),
        "stopping_rule": design.stop.model_dump(mode="json"),
        "analysis": plan.model_dump(mode="json", exclude={"primary", "margin"}),
        "design": design.model_dump(mode="json", exclude={"analysis", "exclusions", "stop", "title"}),
    }


def primary_pairs(plan: AnalysisPlan, methods: list[str]) -> list[tuple[str, str]]:
    """Return the primary comparisons: those of the plan, or all pairs."""
    return plan.primary if plan.primary is not None else list(combinations(methods, 2))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_preregistration(frozen: Frozen, out: Path) -> tuple[Path, Path]:
    """Write `preregistration.yaml` and `preregistration.txt`, whose headings are those of the OSF's standard form."""
    data = preregistration(frozen)
    paths = out / "preregistration.yaml", out / "preregistration.txt"
    write_text(paths[0], yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))
    write_text(paths[1], preregistration_text(frozen.record, data))
    return paths


_QUESTIONS = {
    "pairwise": "Participants see two colorizations of one photo and choose the better one.",
    "rank_order": "Participants see several colorizations of one photo and order them from best to worst.",
    "real_or_fake": "Participants decide which colors are those of the true photo.",
    "rating": "Participants rate the colors of one image from {low} to {high}.",
}


def preregistration_text(record: SurveyRecord, data: dict[str, object]) -> str:
    """Return the preregistration as paragraphs to paste into the OSF's form."""
    design = record.design
    when = data["registered_at"]
    question = _QUESTIONS[design.protocol].format(low=SCALES[design.scale], high=design.scale)
    contrasts = ", ".join(str(each) for each in _list(data["primary_contrasts"]))
    sections = {
        "Title": design.title,
        "Registration": f"SHA-256 {data['sha256']} of the design, the analysis plan and all stimuli. "
        + (f"Frozen before the first vote, registered {when}." if when else "No vote has been given yet.")
        + f" Exported {data['exported_at']} by chromalab {__version__}.",
        "Design plan": f"{question} Methods: {', '.join(record.methods)}. "
        f"Photos: {len(record.scenes)}. Each participant answers {design.trials} scored trials, after "
        f"{design.practice} practice trials, with {design.n_vigilance} attention checks and {design.n_repeats} flipped "
        f"repeats.{_practice_text(design)} Methods are blinded, and order and sides are randomized.",
        "Sampling plan and stopping rule": stop_text(design.stop),
        "Hypotheses: primary contrasts": f"{contrasts}. Two-sided tests at {100 * (1 - design.analysis.level):g}% with "
        "Holm's correction." + _margin_text(design.analysis.margin),
        "Data exclusion": exclusions_text(design),
        "Analysis plan": _analysis_text(design),
    }
    return "\n\n".join(f"{heading}\n{text}" for heading, text in sections.items()) + "\n"


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _practice_text(design: Design) -> str:
    told = " Practice trials show true and damaged colors, and then the right answer." if design.feedback else ""
    if design.practice_pass is None:
        return told
    return (
        f"{told} Participants with fewer than {design.practice_pass} right ones repeat them once or are screened out."
    )


def _margin_text(margin: float | None) -> str:
    if margin is None:
        return " No equivalence margin is set."
    return f" Two methods count as equivalent if two one-sided tests put their difference within {margin:g}."


def stop_text(stop: Stop) -> str:
    """Return the stopping rule in words."""
    if stop.rule == "fixed":
        return f"Data collection stops when {stop.participants} participants have finished."
    looks = ", ".join(str(look) for look in sorted(set(stop.looks)))
    return (
        f"Interim looks at {looks} finished participants, each at the votes given by then. Data collection stops at "
        f"the first look at which no interval is wider than {stop.half_width:g} to each side, and at "
        f"{stop.participants} participants at the latest."
    )


def exclusions_text(design: Design) -> str:
    """Return the exclusion rules that can apply to a design in words."""
    rules = design.exclusions
    found = [f"more than {rules.fast_share:.0%} of the answers take less than {rules.fast_ms} ms"]
    if design.n_vigilance:
        found.insert(0, f"less than {rules.vigilance_share:.0%} of the attention checks are correct")
    if design.two_stimuli or design.protocol == "rank_order":
        sides = "left against right" if design.two_stimuli else "the image shown first against the one shown last"
        found.append(f"a binomial test of {sides} has p < {rules.side_p:g}")
    if design.n_repeats >= MIN_REPEATS and rules.repeat_share > 0:
        found.append(f"less than {rules.repeat_share:.0%} of at least four flipped repeats are consistent")
    if rules.outlier_distance is not None:
        found.append(f"the outlier distance exceeds {rules.outlier_distance:g}")
    if design.protocol == "rating" and rules.bt500:
        found.append("ITU-R BT.500 rejects the rater")
    if rules.screening and design.screening:
        found.append("the screening of color vision is not passed")
    if rules.unfinished:
        found.append("the session is not finished")
    found += _condition_texts(rules)
    kinds = {
        "were shown over 15% too long": rules.overruns and design.display_ms,
        "had images that were not wholly inside the window": rules.hidden,
        "had images that were shown smaller than their true size": rules.reduced,
    }
    trials = "".join(f" Single trials that {kind} are excluded." for kind, applies in kinds.items() if applies)
    unfinished = "" if rules.unfinished else " Unfinished sessions count."
    return (
        f"A participant is excluded if {', or '.join(found)}.{trials}{unfinished} Results are reported with and "
        "without exclusions."
    )


def _condition_texts(rules: Exclusions) -> list[str]:
    limits = {name: getattr(rules, name) for name in CONDITION_RANGES}
    ranges = [
        f"{name} is not measured within {each[0]:g} to {each[1]:g}" for name, each in limits.items() if each is not None
    ]
    dark_and_bright = f"gray level {DARK_LIMIT} is not told from black, or {BRIGHT_LIMIT} from white"
    return [*ranges, dark_and_bright] if rules.brightness else ranges


def _analysis_text(design: Design) -> str:
    plan = design.analysis
    prior = "maximum likelihood" if plan.prior_sd is None else f"a normal prior of {plan.prior_sd:g} logits"
    model = {
        "pairwise": f"Bradley-Terry log-abilities with Davidson's ties and {prior}"
        + (", corrected for the advantage of the left side" if plan.order_effect else ""),
        "rank_order": f"Plackett-Luce log-abilities with {prior}",
        "real_or_fake": "fooling rates, d' and criterion",
        "rating": "mean opinion scores",
    }[design.protocol]
    groups = ", ".join(each.question for each in plan.subgroups)
    divided = f" Groups of participants by {groups} are compared by permutation tests with Holm's correction."
    divided = divided if groups else ""
    return (
        f"Scores are {model}. {100 * plan.level:g}% intervals cover participants and photos (two-way bootstrap, "
        f"{plan.draws} draws; profile likelihood or Wilson's interval for an effective number of votes where nearly "
        f"all votes agree).{divided}"
    )

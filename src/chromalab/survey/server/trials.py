"""Trials of a participant: created, filled in when due, and described to the browser."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, bindparam, case, cast, func, insert, select, update

from chromalab.survey.adaptive import choose_pair, fill_slot
from chromalab.survey.database import Image, Participant, TrialRow, Vote
from chromalab.survey.design import GREY
from chromalab.survey.schedule import Item, Trial, is_right, known_practice, make_schedule, seeded
from chromalab.survey.security import new_token

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from chromalab.survey.design import Design
    from chromalab.survey.server.state import Survey

AHEAD = 2
"""Trials filled in at a time: the one on the screen and the one to preload."""

# These statements run for every vote and are built once, so that SQLAlchemy only fills in values.
_OPEN = (
    select(TrialRow.__table__)
    .where(TrialRow.participant_id == bindparam("person"), TrialRow.answered == 0)
    .order_by(TrialRow.position)
    .limit(AHEAD)
)
_TOKENS = (
    select(Image.trial_id, Image.role, Image.token)
    .where(Image.trial_id.in_(bindparam("trials", expanding=True)))
    .order_by(Image.role)
)
_PROGRESS = select(
    func.count(), func.sum(TrialRow.answered), func.min(case((TrialRow.answered == 0, TrialRow.position)))
).where(TrialRow.participant_id == bindparam("person"))
_SENT = update(TrialRow).where(TrialRow.id == bindparam("which")).values(sent_at=bindparam("now"))


def plan(survey: Survey, connection: Connection, person: Row[Any], now: float) -> None:
    """Store the schedule of a participant unless it exists."""
    planned = select(func.count()).select_from(TrialRow).where(TrialRow.participant_id == person.id)
    if connection.scalar(planned):
        return
    design = survey.record.design
    trials = make_schedule(
        design,
        survey.record.methods,
        survey.scene_names,
        {} if design.pairs == "adaptive" else usage(connection, now),
        seeded(survey.secret, person.id, "schedule"),
        method=person.method,
        damaged=survey.record.damaged,
    )
    _insert_trials(survey, connection, person, list(enumerate(trials)))


def _insert_trials(survey: Survey, connection: Connection, person: Row[Any], trials: list[tuple[int, Trial]]) -> None:
    """Store trials at their positions, with the images of those whose photo is known."""
    rows = [
        {
            "participant_id": person.id, "position": position, "kind": trial.kind, "scene": trial.scene,
            "left": trial.left, "right": trial.right, "repeat_of": trial.repeat_of, "token": new_token(), "answered": 0,
            "others": list(trial.others) or None,
        }
        for position, trial in trials
    ]  # fmt: skip
    connection.execute(insert(TrialRow), rows)
    places = [position for position, trial in trials if trial.scene]
    if places:
        stored = connection.execute(
            select(TrialRow.__table__).where(TrialRow.participant_id == person.id, TrialRow.position.in_(places))
        )
        images = [image for row in stored for image in _images_of(survey, row.id, trial_of(row))]
        connection.execute(insert(Image), images)


def practice_passed(survey: Survey, connection: Connection, person: Row[Any]) -> bool:
    """Return whether enough answers to the practice trials are right, of a repeated practice only to its own."""
    design = survey.record.design
    right = _right_answers(connection, person, "practice")[-design.practice :]
    return sum(right) >= (design.practice_pass or 0)


def checks_failed(survey: Survey, connection: Connection, person: Row[Any]) -> bool:
    """Return whether the rule on attention checks excludes a participant."""
    right = _right_answers(connection, person, "vigilance")
    return survey.record.design.exclusions.fails_checks(sum(right), len(right))


def _right_answers(connection: Connection, person: Row[Any], kind: str) -> list[bool]:
    """Return for each answer to a trial with a known answer, in their order, whether it is right."""
    query = (
        select(TrialRow.__table__, Vote.choice)
        .join(Vote, Vote.trial_id == TrialRow.id)
        .where(TrialRow.participant_id == person.id, TrialRow.kind == kind)
        .order_by(TrialRow.position)
    )
    return [is_right(trial_of(row).shown, row.choice) for row in connection.execute(query)]


def repeat_practice(survey: Survey, connection: Connection, person: Row[Any]) -> None:
    """Insert the practice trials once more, in another order and on other sides, and move all later trials back."""
    design = survey.record.design
    n, own = design.practice, TrialRow.participant_id == person.id
    scenes = list(connection.scalars(select(TrialRow.scene).where(own, TrialRow.position < n)))
    moved = update(TrialRow).where(own)
    # by way of negative positions, because two trials never have the same one
    connection.execute(moved.where(TrialRow.position >= n).values(position=-n - TrialRow.position))
    connection.execute(moved.where(TrialRow.position < 0).values(position=-TrialRow.position))
    connection.execute(moved.where(TrialRow.repeat_of.is_not(None)).values(repeat_of=TrialRow.repeat_of + n))
    generator = seeded(survey.secret, person.id, "practice 2")
    mixed = [scenes[k] for k in generator.permutation(n)]
    again = known_practice(mixed, generator, pair=design.two_stimuli)
    _insert_trials(survey, connection, person, list(enumerate(again, start=n)))


def usage(connection: Connection, now: float) -> dict[Item, int]:
    """Return how often each item was rated or is scheduled for an active participant."""
    others = cast(TrialRow.others, Text)  # PostgreSQL cannot group by JSON
    query = (
        select(TrialRow.scene, TrialRow.left, TrialRow.right, others, func.count())
        .join(Participant, Participant.id == TrialRow.participant_id)
        .where(TrialRow.kind == "test", (TrialRow.answered == 1) | (Participant.lease_until > now))
        .group_by(TrialRow.scene, TrialRow.left, TrialRow.right, others)
    )
    found: dict[Item, int] = {}
    for scene, left, right, more, count in connection.execute(query):
        item = Trial("test", scene, left, right, others=tuple(json.loads(more or "null") or ())).item
        found[item] = found.get(item, 0) + count
    return found


def people_by_method(connection: Connection, now: float) -> dict[str, int]:
    """Return the number of participants per method of real-or-fake."""
    alive = (Participant.stage == "finished") | (Participant.lease_until > now)
    query = select(Participant.method, func.count()).where(alive, Participant.method != "").group_by(Participant.method)
    return {str(method): int(count) for method, count in connection.execute(query)}


def _images_of(survey: Survey, trial_id: int, trial: Trial) -> list[dict[str, Any]]:
    stimuli = survey.scenes[trial.scene].stimuli
    shown = {"left": trial.left, "right": trial.right}
    if trial.others:
        shown = {str(place): name for place, name in enumerate(trial.shown, start=1)}
    if survey.record.design.reference:
        shown["reference"] = GREY
    return [
        {"token": new_token(), "trial_id": trial_id, "role": role, "file": stimuli[name]}
        for role, name in shown.items()
        if name
    ]


def open_trials(connection: Connection, participant_id: str) -> list[Row[Any]]:
    """Return the next unanswered trials of a participant, the current one first."""
    return list(connection.execute(_OPEN, {"person": participant_id}))


def progress(connection: Connection, participant_id: str) -> tuple[int, int, int | None]:
    """Return the numbers of trials and of answers of a participant, and the position of the trial that is due."""
    total, answered, due = connection.execute(_PROGRESS, {"person": participant_id}).one()
    return total, answered, due


def mark_sent(connection: Connection, row: Row[Any], now: float) -> None:
    """Store the time at which a trial is sent, unless it was sent before."""
    if row.sent_at is None:
        connection.execute(_SENT, {"which": row.id, "now": now})


def fill_due(survey: Survey, connection: Connection, person: Row[Any], due: list[Row[Any]]) -> list[Row[Any]]:
    """Choose photos and pairs for the due trials of an adaptive schedule.

    The trials after a practice that must be passed wait for its end, because a repeated practice moves them.
    """
    if survey.record.design.practice_pass and due[0].kind == "practice":
        due = [row for row in due if row.kind == "practice"]
    if all(row.scene for row in due):
        return due
    table = TrialRow.__table__
    known = select(table).where(TrialRow.participant_id == person.id, TrialRow.scene != "").order_by(TrialRow.position)
    before = [trial_of(row) for row in connection.execute(known)]
    for row in due:
        if row.scene:
            continue
        generator = seeded(survey.secret, person.id, f"trial {row.position}")
        extra: dict[str, Any] = {}
        if row.kind == "test":
            choice = choose_pair(survey.record.design, survey.tally(connection), survey.scene_names, before, generator)
            trial = choice.trial
            extra = {
                "probability": choice.probability,
                "last_vote": choice.last_vote,
                "tally_sha256": choice.tally_sha256,
            }
        else:
            truths = survey.record.damaged if row.kind == "vigilance" or survey.record.design.feedback else ()
            trial = fill_slot(trial_of(row), survey.scene_names, survey.record.methods, before, generator, known=truths)
        values = {"scene": trial.scene, "left": trial.left, "right": trial.right, **extra}
        connection.execute(update(TrialRow).where(TrialRow.id == row.id).values(**values))
        connection.execute(insert(Image), _images_of(survey, row.id, trial))
        before.append(trial)
    return open_trials(connection, person.id)


def trial_of(row: Row[Any]) -> Trial:
    """Return the trial of a row."""
    return Trial(row.kind, row.scene, row.left, row.right, row.repeat_of, tuple(row.others or ()))


def trial_for_browser(survey: Survey, connection: Connection, due: list[Row[Any]], total: int) -> dict[str, Any]:
    """Return the current trial as the browser may see it, with the images of the next trial to preload."""
    design, row = survey.record.design, due[0]
    images = _tokens(connection, [each.id for each in due])
    scene = survey.scenes[row.scene]
    return {
        "trial": row.token,
        "practice": row.kind == "practice",
        "again": row.kind == "practice" and row.position == design.practice,
        "number": row.position + 1,
        "total": total,
        "images": images[row.id],
        "width": scene.width_px,
        "height": scene.height_px,
        "display_ms": design.display_ms,
        "choices": choices(design),
        "inspect": design.inspect,
        "flicker_hz": design.flicker_hz,
        "form": form_of(design),
        "pause": bool(design.break_every and row.position and row.position % design.break_every == 0),
        "min_scale": design.viewing.min_scale,
        "leave": design.recruitment.screens_out,
        "fullscreen": design.viewing.fullscreen,
        "preload": [url for each in due[1:] for url in images.get(each.id, {}).values()],
    }


def _tokens(connection: Connection, trials: list[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for trial, role, token in connection.execute(_TOKENS, {"trials": trials}):
        found.setdefault(trial, {})[role] = f"/i/{token}"
    return found


def choices(design: Design) -> list[str]:
    """Return the answers that a trial allows; none if they are too many to list, as `fault_of` checks them."""
    if design.protocol == "rank_order" or design.form == "slider":
        return []
    if design.protocol == "rating":
        return ["5", "4", "3", "2", "1"]
    if design.form == "yes_no":
        return ["real", "fake"]
    return ["left", "tie", "right"] if design.tie else ["left", "right"]


def fault_of(design: Design, trial: Trial, choice: str) -> tuple[int, str] | None:
    """Return the status and the reason for which an answer is refused, or None.

    A ranking is the numbers of the places from the best image to the worst, such as 312. A slider gives 0/100 to
    100/100.
    """
    if design.protocol == "rank_order":
        places = "".join(str(place) for place in range(1, len(trial.shown) + 1))
        fits = sorted(choice) == list(places)
        return None if fits else (400, f"'{choice}' is not a ranking; send an order of the places {places}")
    if design.form == "slider":
        fits = _SLIDER.fullmatch(choice) is not None
        return None if fits else (400, f"'{choice}' is not a rating; send 0/100 to 100/100")
    known = choices(design)
    return None if choice in known else (422, f"'{choice}' is not a valid answer; choose from {', '.join(known)}")


_SLIDER = re.compile(r"(0|[1-9][0-9]?|100)/100")


def form_of(design: Design) -> str:
    """Return the layout of the stimuli: `pair`, `sequential`, `single`, or `slider` and `rank` after their answers."""
    if design.protocol == "rank_order":
        return "rank"
    if design.form == "slider":
        return "slider"
    if not design.two_stimuli:
        return "single"
    return "sequential" if design.form == "sequential" else "pair"

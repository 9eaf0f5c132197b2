"""Answers of participants, as the analysis takes them from a database or from a file."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from chromalab.survey.database import Participant, TrialRow, Vote
from chromalab.survey.design import CONDITIONS, TRUTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chromalab.survey.database import Database

SCALES = {5: 1, 100: 0}
"""Lowest rating by the highest one of the scale."""

_RATING = re.compile(r"(\d+)(?:/(100))?")
"""A stored rating: 1 to 5, or 0/100 to 100/100 on a slider."""

_VIEW = ("width", "height", "ratio", "window_width", "window_height", "visible")
"""How the images were shown, as the database stores it, in the order of `VoteRow.view`."""


@dataclass(frozen=True)
class VoteRow:
    """One answer.

    Attributes:
        observer: participant.
        session: session of the participant.
        scene: photo.
        condition_a: condition shown on the left or first (unless `a_is_left` is false), or alone.
        condition_b: the other condition; '' if one image was shown alone.
        is_a_selected: whether A was chosen; for a single image, whether it was called real.
        is_tie: whether "no difference" was chosen.
        rating: rating on the scale, or None.
        kind: `practice`, `test`, `repeat` or `vigilance`.
        position: position in the participant's schedule.
        repeat_of: for a repeat, the position of its first presentation.
        response_ms: time from the appearance of the images to the answer.
        requested_ms: display duration that the design asks for.
        shown_ms: measured display duration.
        blurs: number of times that the window lost focus during the trial.
        flags: flags of the server and the browser, such as `fast` or `overrun`.
        screening_passed: whether the participant passed the color-vision screening; None without screening.
        received_at: time of the answer in seconds since 1970.
        probability: probability with which an adaptive schedule chose this pair.
        a_is_left: whether A was on the left or first.
        finished: whether the participant answered all trials; None if the file does not say.
        exclusion: rules that exclude the participant or this answer, separated by spaces; '' if none does.
        elapsed_ms: time from sending the trial to the arrival of its answer, by the server's clock.
        view: width and height of the images in CSS pixels, screen pixels per CSS pixel, width and height of the window,
            and 1 if all images were wholly inside it, else 0; None if unknown.
        conditions: measured conditions of viewing in the order of `CONDITIONS`, None where one was skipped; None if
            none was measured.
        shown: for a ranking, the methods in the order of their first places on the screen. A and B are those on the
            first and the last place, and `is_a_selected` is whether A was ranked above B.
        ranking: for a ranking, the methods from best to worst.
        scale: highest rating of the scale: 5 (from 1) or 100 (from 0).
        switches: how often the participant switched between two images in one place; None if that was not possible.
        zoom: most screen pixels per image pixel that the participant used; None if there was no choice.
    """

    observer: str
    session: str
    scene: str
    condition_a: str
    condition_b: str
    is_a_selected: bool
    is_tie: bool = False
    rating: int | None = None
    kind: str = "test"
    position: int = 0
    repeat_of: int | None = None
    response_ms: float | None = None
    requested_ms: float | None = None
    shown_ms: float | None = None
    blurs: int = 0
    flags: tuple[str, ...] = ()
    screening_passed: bool | None = None
    received_at: float | None = None
    probability: float | None = None
    a_is_left: bool = True
    finished: bool | None = None
    exclusion: str = ""
    elapsed_ms: float | None = None
    view: tuple[float, ...] | None = None
    conditions: tuple[float | None, ...] | None = None
    shown: tuple[str, ...] = ()
    ranking: tuple[str, ...] = ()
    scale: int = 5
    switches: int | None = None
    zoom: float | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods that were shown."""
        return self.shown or tuple(name for name in (self.condition_a, self.condition_b) if name)

    @property
    def orders(self) -> list[tuple[tuple[str, ...], float]]:
        """The orders of the conditions from best to worst, with their shares: one, or two for a tie."""
        if self.ranking:
            return [(self.ranking, 1.0)]
        order = (self.left, self.right) if self.left_selected else (self.right, self.left)
        return [(order, 0.5), (order[::-1], 0.5)] if self.is_tie else [(order, 1.0)]

    @property
    def fastest_ms(self) -> float | None:
        """The response time, or the time that the server measured if that is shorter."""
        return min((ms for ms in (self.response_ms, self.elapsed_ms) if ms is not None), default=None)

    @property
    def scored(self) -> bool:
        """Whether the answer counts: it belongs to a scored trial, and no rule excludes it."""
        return self.kind == "test" and not self.exclusion

    @property
    def answer(self) -> str:
        """The answer, where `left` stands for A."""
        if self.rating is not None:
            return str(self.rating) if self.scale == min(SCALES) else f"{self.rating}/{self.scale}"
        if not self.condition_b:
            return "real" if self.is_a_selected else "fake"
        return "tie" if self.is_tie else "left" if self.is_a_selected else "right"

    @property
    def left(self) -> str:
        """Condition on the left."""
        return self.condition_a if self.a_is_left else self.condition_b

    @property
    def right(self) -> str:
        """Condition on the right."""
        return self.condition_b if self.a_is_left else self.condition_a

    @property
    def left_selected(self) -> bool:
        """Whether the left condition was chosen."""
        return self.is_a_selected == self.a_is_left

    def as_ranking(self, shown: tuple[str, ...], ranking: tuple[str, ...]) -> VoteRow:
        """Return the answer as a ranking of methods from best to worst, which were shown on places in order."""
        first, last = shown[0], shown[-1]
        above = ranking.index(first) < ranking.index(last)
        return replace(self, condition_a=first, condition_b=last, is_a_selected=above, shown=shown, ranking=ranking)


def measured(values: Iterable[float | None]) -> tuple[float | None, ...] | None:
    """Return conditions of viewing, or None if none was measured."""
    found = tuple(values)
    return found if any(value is not None for value in found) else None


def votes_of_database(database: Database, *, up_to: int | None = None) -> list[VoteRow]:
    """Return all answers of a survey in the order of their commits, or only those up to vote `up_to`."""
    query = (
        select(
            Vote.participant_id, TrialRow.scene, TrialRow.left, TrialRow.right, Vote.choice, TrialRow.kind,
            TrialRow.position, TrialRow.repeat_of, Vote.response_ms, Vote.requested_ms, Vote.shown_ms, Vote.blurs,
            Vote.flags, Participant.screening, Vote.received_at, TrialRow.probability, Participant.stage,
            Vote.elapsed_ms, Vote.view, Participant.screen, TrialRow.others,
        )
        .join(TrialRow, TrialRow.id == Vote.trial_id)
        .join(Participant, Participant.id == Vote.participant_id)
        .order_by(Vote.id)
    )  # fmt: skip
    if up_to is not None:
        query = query.where(Vote.id <= up_to)
    with database.read() as connection:
        return [_vote(row) for row in connection.execute(query)]


def _vote(row: Any) -> VoteRow:
    rated = None if row.others else _RATING.fullmatch(row.choice)
    view = row.view or {}
    vote = VoteRow(
        row.participant_id, "1", row.scene, row.left, row.right, is_a_selected=row.choice in {"left", "real"},
        is_tie=row.choice == "tie", rating=int(rated[1]) if rated else None, kind=row.kind, position=row.position,
        repeat_of=row.repeat_of, response_ms=row.response_ms, requested_ms=row.requested_ms, shown_ms=row.shown_ms,
        blurs=row.blurs, flags=tuple(row.flags), screening_passed=row.screening.get("passed"),
        received_at=row.received_at, probability=row.probability, finished=row.stage == "finished",
        elapsed_ms=row.elapsed_ms, view=tuple(float(view[name]) for name in _VIEW) if view else None,
        conditions=measured(row.screen.get(name) for name in CONDITIONS), scale=100 if rated and rated[2] else 5,
        switches=view.get("switches"), zoom=view.get("zoom"),
    )  # fmt: skip
    if not row.others:
        return vote
    shown = (row.left, row.right, *row.others)
    return vote.as_ranking(shown, tuple(shown[int(place) - 1] for place in row.choice))


def protocol_of(votes: Iterable[VoteRow]) -> str:
    """Return the protocol of votes, inferred from their content."""
    rows = list(votes)
    if any(row.ranking for row in rows):
        return "rank_order"
    if any(row.rating is not None for row in rows):
        return "rating"
    tests = [row for row in rows if row.kind == "test"] or rows
    return "real_or_fake" if any(TRUTH in row.methods for row in tests) else "pairwise"


def by_observer(votes: Sequence[VoteRow]) -> dict[str, list[VoteRow]]:
    """Return the votes of each participant in schedule order, participants in the order of their first vote."""
    found: dict[str, list[VoteRow]] = {}
    for row in votes:
        found.setdefault(row.observer, []).append(row)
    return {observer: sorted(rows, key=lambda row: row.position) for observer, rows in found.items()}

"""Votes as rows of a CSV file, and whole surveys as JSON: export and import."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, insert, select

from chromalab.core.errors import ConfigError, UsageError
from chromalab.report.formatting import csv_text
from chromalab.survey.database import (
    STOPPED,
    Participant,
    Registration,
    TrialRow,
    Vote,
    Withdrawal,
    put_setting,
    setting,
)
from chromalab.survey.design import CONDITIONS, STAND_INS, TRUTH
from chromalab.survey.folder import SurveyFolder, SurveyRecord
from chromalab.survey.security import new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from chromalab.survey.database import Database

REQUIRED = ("observer", "session", "scene", "condition_A", "condition_B", "is_A_selected")
_VIEW_KEYS = ("width", "height", "ratio", "window_width", "window_height", "visible")
VIEW = ("shown_width", "shown_height", "pixel_ratio", "window_width", "window_height", "fully_visible")
COLUMNS = (
    *REQUIRED, "is_tie", "side", "rating", "kind", "position", "repeat_of", "response_ms", "requested_ms", "shown_ms",
    "blurs", "flags", "screening_passed", "received_at", "probability", "finished", "exclusion", "scored", "elapsed_ms",
    *VIEW, *CONDITIONS, "rank", "place", "scale", "switches", "largest_zoom",
)  # fmt: skip
KINDS = ("practice", "test", "repeat", "vigilance")
SCALES = {5: 1, 100: 0}
"""Lowest rating by the highest one of the scale."""

_RATING = re.compile(r"(\d+)(?:/(100))?")
"""A stored rating: 1 to 5, or 0/100 to 100/100 on a slider."""


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

    def cells(self) -> dict[str, Any]:
        """Return the row as the cells of a CSV file."""
        return {
            "observer": self.observer, "session": self.session, "scene": self.scene, "condition_A": self.condition_a,
            "condition_B": self.condition_b,
            "is_A_selected": "" if self.is_tie or self.rating is not None else int(self.is_a_selected),
            "is_tie": int(self.is_tie), "side": "left" if self.a_is_left else "right", "rating": self.rating,
            "kind": self.kind, "position": self.position, "repeat_of": self.repeat_of, "response_ms": self.response_ms,
            "requested_ms": self.requested_ms, "shown_ms": self.shown_ms, "blurs": self.blurs,
            "flags": " ".join(self.flags),
            "screening_passed": None if self.screening_passed is None else int(self.screening_passed),
            "received_at": self.received_at, "probability": self.probability,
            "finished": None if self.finished is None else int(self.finished), "exclusion": self.exclusion,
            "scored": int(self.scored), "elapsed_ms": self.elapsed_ms,
            **dict(zip(VIEW, self.view or (), strict=False)),
            **dict(zip(CONDITIONS, self.conditions or (), strict=False)),
            "scale": None if self.rating is None else self.scale, "switches": self.switches, "largest_zoom": self.zoom,
        }  # fmt: skip

    def lines(self) -> list[dict[str, Any]]:
        """Return the row as the lines of a CSV file: one, or for a ranking one for each image from best to worst."""
        cells = self.cells()
        blank = {"condition_B": "", "is_A_selected": "", "side": ""}
        return [
            cells | blank | {"condition_A": name, "rank": rank, "place": self.shown.index(name) + 1}
            for rank, name in enumerate(self.ranking, start=1)
        ] or [cells]


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
        return [_row(*tuple(each)) for each in connection.execute(query)]


def _row(
    observer: str, scene: str, left: str, right: str, choice: str, kind: str, position: int, repeat_of: int | None,
    response_ms: float, requested_ms: float | None, shown_ms: float | None, blurs: int, flags: list[str],
    screening: dict[str, Any], received_at: float, probability: float | None, stage: str, elapsed_ms: float | None,
    view: dict[str, Any] | None, screen: dict[str, Any], others: list[str] | None,
) -> VoteRow:  # fmt: skip
    rated = None if others else _RATING.fullmatch(choice)
    row = VoteRow(
        observer, "1", scene, left, right, choice in {"left", "real"}, choice == "tie",
        int(rated[1]) if rated else None, kind, position, repeat_of, response_ms, requested_ms, shown_ms,
        blurs, tuple(flags), screening.get("passed"), received_at, probability, finished=stage == "finished",
        elapsed_ms=elapsed_ms, view=None if view is None else tuple(float(view[key]) for key in _VIEW_KEYS),
        conditions=_some([screen.get(name) for name in CONDITIONS]),
        scale=100 if rated and rated[2] else 5, switches=(view or {}).get("switches"), zoom=(view or {}).get("zoom"),
    )  # fmt: skip
    shown = (left, right, *(others or ()))
    return _ranked(row, shown, tuple(shown[int(place) - 1] for place in choice)) if others else row


def _ranked(row: VoteRow, shown: tuple[str, ...], ranking: tuple[str, ...]) -> VoteRow:
    first, last = shown[0], shown[-1]
    above = ranking.index(first) < ranking.index(last)
    return replace(row, condition_a=first, condition_b=last, is_a_selected=above, shown=shown, ranking=ranking)


def _some(values: Iterable[float | None]) -> tuple[float | None, ...] | None:
    """Return the values, or None if there are none."""
    found = tuple(values)
    return found if any(value is not None for value in found) else None


def votes_text(votes: Iterable[VoteRow]) -> str:
    """Return votes as the text of a CSV file, with the columns that `survey analyze` reads.

    Spreadsheets would compute texts that begin with =, +, - or @: they get an apostrophe, which `read_votes` removes.
    """
    return table_text(COLUMNS, ([cells.get(name) for name in COLUMNS] for vote in votes for cells in vote.lines()))


_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""Beginnings of texts that spreadsheets compute, also after apostrophes, so that the way back is exact."""


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return CSV text in which no cell becomes a formula."""
    return csv_text(columns, ([_inert(cell) for cell in row] for row in rows))


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def read_votes(path: Path) -> list[VoteRow]:
    """Read votes from a CSV file.

    The columns observer, session, scene, condition_A, condition_B and is_A_selected (1 or 0, empty for a tie or a
    rating) are required. All other columns of the export are optional. A is the left or first condition unless the
    column `side` contains "right". Rows with 0 in `scored` or with a rule in `exclusion` are read as excluded. Rows
    with a `rank` that share observer, session, scene and position are one ranking.

    Raises:
        ConfigError: the file is missing, its columns are wrong, or a row is invalid.
        UsageError: the file has no votes.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(reader.fieldnames or (), path)
            lines = [_Line(row, path, reader.line_num).read(place) for place, row in enumerate(reader)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot read the votes: {error}") from None
    if not lines:
        raise UsageError(f"{path} contains no votes; give a file with at least one row")
    _check_together(lines, path)
    return _with_rankings(lines, path) if lines[0].rank is not None else [each.vote for each in lines]


class _Read(NamedTuple):
    """A row of a CSV file; in a ranking it is about one image, with its rank and its place on the screen."""

    line: int
    vote: VoteRow
    rank: int | None
    place: int | None

    @property
    def name(self) -> str:
        return self.vote.condition_a


def _with_rankings(lines: Sequence[_Read], path: Path) -> list[VoteRow]:
    """Join the rows of each ranking."""
    trials: dict[tuple[str, str, str, int], list[_Read]] = {}
    for each in lines:
        vote = each.vote
        trials.setdefault((vote.observer, vote.session, vote.scene, vote.position), []).append(each)
    return [_joined(rows, path) for rows in trials.values()]


def _joined(rows: Sequence[_Read], path: Path) -> VoteRow:
    by_rank = sorted(rows, key=lambda each: each.rank or 0)
    names = [each.name for each in by_rank]
    if [each.rank for each in by_rank] != list(range(1, len(rows) + 1)) or not 1 < len(set(names)) == len(rows):
        ranks = ", ".join(f"{each.rank} for {each.name}" for each in by_rank)
        raise ConfigError(
            f"{path}, line {rows[0].line}: the ranks of one ranking must be 1, 2 and so on for different images, not "
            f"{ranks}; rows of one ranking share observer, session, scene and position"
        )
    by_place = sorted(by_rank, key=lambda each: (each.place or 0, each.name))
    return _ranked(by_rank[0].vote, tuple(each.name for each in by_place), tuple(names))


def _check_columns(found: Sequence[str], path: Path) -> None:
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise ConfigError(
            f"{path}: the column {missing[0]} is missing among {', '.join(found) or 'no columns'}; add the columns "
            f"{', '.join(REQUIRED)}, separated by commas, as 'chromalab survey export' writes them"
        )
    twice = [name for name in COLUMNS if list(found).count(name) > 1]
    if twice:
        raise ConfigError(f"{path}: the column {twice[0]} occurs more than once; keep one")


class _Line:
    """A row of a CSV file, whose faults name the line."""

    def __init__(self, row: dict[str | None, Any], path: Path, line: int) -> None:
        self._row, self._number = row, line
        self._place = f"{path}, line {line}"
        if None in row:
            raise ConfigError(f"{self._place}: the row has more cells than the header; quote cells that contain commas")

    def fault(self, text: str) -> ConfigError:
        return ConfigError(f"{self._place}: {text}")

    def text(self, name: str) -> str:
        text: str = (self._row.get(name) or "").strip()
        return text[1:] if text.startswith("'") and _FORMULA.match(text) else text

    def number(self, name: str) -> float | None:
        text = self.text(name)
        try:
            value = float(text) if text else None
        except ValueError:
            value = math.nan
        if value is not None and not math.isfinite(value):
            raise self.fault(f"{name} must be a number, not '{text}'")
        return value

    def whole(self, name: str) -> int | None:
        value = self.number(name)
        if value is not None and value != int(value):
            raise self.fault(f"{name} must be a whole number, not {value:g}")
        return None if value is None else int(value)

    def flag(self, name: str) -> bool | None:
        text = self.text(name).lower()
        if text not in {"", "0", "1", "0.0", "1.0", "true", "false"}:
            raise self.fault(f"{name} must be 1 or 0, not '{text}'")
        return None if not text else text in {"1", "1.0", "true"}

    def one_of(self, name: str, known: Sequence[str], default: str) -> str:
        text = self.text(name).lower() or default
        if text not in known:
            raise self.fault(f"{name} must be {', '.join(known[:-1])} or {known[-1]}, not '{text}'")
        return text

    def view(self) -> tuple[float, ...] | None:
        found = [self.number(name) for name in VIEW]
        return None if None in found else tuple(value for value in found if value is not None)

    def read(self, number: int) -> _Read:
        rank, place = self.whole("rank"), self.whole("place")
        vote = self.vote(number if rank is None else 0, ranked=rank is not None)
        return _Read(self._number, vote, rank, place)

    def vote(self, position: int, *, ranked: bool) -> VoteRow:
        for name in ("observer", "scene", "condition_A"):
            if not self.text(name):
                raise self.fault(f"{name} must not be empty")
        first, second = self.text("condition_A"), self.text("condition_B")
        if first == second:
            raise self.fault(
                f"condition_A and condition_B are both '{first}', but a method is never compared with itself"
            )
        rating, scale, kind = *self.rating(), self.one_of("kind", KINDS, "test")
        selected, tie = self.flag("is_A_selected"), bool(self.flag("is_tie"))
        if ranked and (second or rating is not None or tie or selected is not None):
            raise self.fault("a row with a rank is about one image; leave condition_B, is_A_selected and rating empty")
        if selected is None and not tie and rating is None and not ranked:
            raise self.fault("is_A_selected is empty in a row that is neither a tie nor a rating")
        if kind == "test" and (reserved := STAND_INS & {first, second}):
            raise self.fault(
                f"'{min(reserved)}' is reserved for attention checks; write vigilance as kind, or rename the method"
            )
        given = self.whole("position")
        left = self.one_of("side", ("left", "right"), "left") == "left"
        exclusion = self.text("exclusion")
        if kind == "test" and self.flag("scored") is False and not exclusion:
            exclusion = "unscored"
        return VoteRow(
            self.text("observer"), self.text("session"), self.text("scene"), first, second, bool(selected), tie, rating,
            kind, position if given is None else given, self.whole("repeat_of"), self.number("response_ms"),
            self.number("requested_ms"), self.number("shown_ms"), self.whole("blurs") or 0,
            tuple(self.text("flags").split()), self.flag("screening_passed"), self.number("received_at"),
            self.number("probability"), left, self.flag("finished"), exclusion, self.number("elapsed_ms"),
            self.view(), _some(self.number(name) for name in CONDITIONS), scale=scale,
            switches=self.whole("switches"), zoom=self.number("largest_zoom"),
        )  # fmt: skip

    def rating(self) -> tuple[int | None, int]:
        rating, scale = self.whole("rating"), self.whole("scale") or 5
        if scale not in SCALES:
            raise self.fault(f"scale must be 5 (ratings from 1) or 100 (from 0), not {scale}")
        low, high = SCALES[scale], scale
        if rating is not None and not low <= rating <= high:
            more = "; write 100 in the column scale for ratings of a slider" if 5 < rating <= 100 else ""
            raise self.fault(f"rating must be {low} to {high}, not {rating}{more}")
        return rating, scale


def _check_together(lines: Sequence[_Read], path: Path) -> None:
    """Raise an error at the first row that does not fit the others."""
    protocol = _protocol(lines)
    pairs = any(each.vote.condition_b for each in lines)
    seen: dict[VoteRow, int] = {}
    for each in lines:
        fault = _fault(each, lines[0], protocol, pairs=pairs)
        if each.vote in seen:
            fault = f"the answer repeats line {seen[each.vote]}; remove one of them"
        if fault:
            raise ConfigError(f"{path}, line {each.line}: {fault}")
        seen[each.vote] = each.line


def _protocol(lines: Sequence[_Read]) -> str:
    return "rank_order" if any(each.rank is not None for each in lines) else protocol_of(each.vote for each in lines)


def _fault(each: _Read, first: _Read, protocol: str, *, pairs: bool) -> str | None:
    vote = each.vote
    names = {vote.condition_a, vote.condition_b}
    if protocol == "rank_order":
        return "the rank is empty, but other rows have ranks; keep one protocol per file" if each.rank is None else None
    if protocol == "rating":
        return _rating_fault(vote, first)
    if pairs and not vote.condition_b:
        return "condition_B is empty, but other rows compare two images; name the second method"
    if protocol == "real_or_fake" and pairs and vote.kind == "test" and TRUTH not in names:
        return f"neither condition is '{TRUTH}', but other rows compare with it; keep one protocol per file"
    return None


def _rating_fault(vote: VoteRow, first: _Read) -> str | None:
    if vote.rating is None:
        return "the rating is empty, but other rows have ratings; keep one protocol per file"
    if vote.scale != first.vote.scale:
        return f"the scale is {vote.scale}, but that of line {first.line} is {first.vote.scale}; keep one scale"
    return "a rating is about one image; leave condition_B empty" if vote.condition_b else None


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


SCHEMA_VERSION = 1

_SECRET: dict[type, set[str]] = {
    Participant: {"key_sha256", "platform_sha256", "platform_salt", "platform_study", "platform_session", "code"},
    TrialRow: {"token"},
}
"""Columns left out of exports: the analysis does not need them, and some could identify a participant."""

_TABLES = {
    "registrations": Registration,
    "participants": Participant,
    "trials": TrialRow,
    "votes": Vote,
    "withdrawals": Withdrawal,
}


def export_json(record: SurveyRecord, database: Database) -> str:
    """Return a survey without its secrets and stimuli as JSON with a checksum of the content."""
    with database.read() as connection:
        content = {name: _rows(connection, table) for name, table in _TABLES.items()}
        stopped = setting(connection, STOPPED)
    body = {"survey": record.model_dump(mode="json"), "stopped": stopped, **content}
    return json.dumps(
        {"schema_version": SCHEMA_VERSION, "sha256": _checksum(body), **body}, ensure_ascii=False, indent=1
    )


def _checksum(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _rows(connection: Connection, table: type) -> list[dict[str, Any]]:
    columns = [column for column in table.__table__.columns if column.name not in _SECRET.get(table, set())]  # type: ignore[attr-defined]
    key = next(iter(table.__table__.primary_key))  # type: ignore[attr-defined]
    return [dict(row._mapping) for row in connection.execute(select(*columns).order_by(key))]  # noqa: SLF001 - SQLAlchemy's documented name


def import_json(path: Path, folder: SurveyFolder, open_empty: Callable[[], Database]) -> SurveyRecord:
    """Import an exported survey into an empty database; its analysis stays the same.

    Args:
        path: a file written by `export_json`.
        folder: folder of the new survey. Exports hold no stimuli, so the survey can be analyzed but not served.
        open_empty: opens the database once the file has passed its checks.

    Raises:
        ConfigError: the file is missing, damaged, or of another version.
        UsageError: the folder or the database already holds a survey.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as an exported survey: {error}") from None
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
        raise ConfigError(
            f"{path}: is not an export with schema_version {SCHEMA_VERSION}; export the survey with this version"
        )
    body = {name: value for name, value in data.items() if name not in {"schema_version", "sha256"}}
    if _checksum(body) != data.get("sha256"):
        raise ConfigError(
            f"{path}: the checksum does not match the content, so the file was changed or truncated; export it again"
        )
    record = SurveyRecord.parse(body["survey"], origin=str(path))
    if folder.survey_json.exists():
        raise UsageError(f"{folder.root} already holds a survey; choose an empty folder")
    with open_empty().write() as connection:
        if connection.scalar(select(func.count()).select_from(Participant)):
            raise UsageError("the database already holds participants; import into an empty one")
        for name, table in _TABLES.items():
            _insert(connection, table, body[name])
        if body["stopped"]:
            put_setting(connection, STOPPED, body["stopped"])
    record.save(folder.survey_json)
    folder.make_secret()
    return record


def _insert(connection: Connection, table: type, rows: list[dict[str, Any]]) -> None:
    filled = [{**_replaced(table), **row} for row in rows]
    if filled:
        connection.execute(insert(table), filled)


def _replaced(table: type) -> dict[str, Any]:
    """Return new values for the columns that exports leave out, so that old links and tokens stop working."""
    if table is Participant:
        return {"key_sha256": new_token(), "code": "", "platform_sha256": None, "platform_salt": None}
    return {"token": new_token()} if table is TrialRow else {}

"""CSV files of votes: one row for each answer, or for each image of a ranking."""

from __future__ import annotations

import csv
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from chromalab.core.errors import ConfigError, UsageError
from chromalab.report.formatting import csv_text
from chromalab.survey.design import CONDITIONS, STAND_INS, TRUTH
from chromalab.survey.schedule import Kind
from chromalab.survey.votes import SCALES, VoteRow, measured, protocol_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from pathlib import Path

REQUIRED = ("observer", "session", "scene", "condition_A", "condition_B", "is_A_selected")
VIEW = ("shown_width", "shown_height", "pixel_ratio", "window_width", "window_height", "fully_visible")
COLUMNS = (
    *REQUIRED, "is_tie", "side", "rating", "kind", "position", "repeat_of", "response_ms", "requested_ms", "shown_ms",
    "blurs", "flags", "screening_passed", "received_at", "probability", "finished", "exclusion", "scored", "elapsed_ms",
    *VIEW, *CONDITIONS, "rank", "place", "scale", "switches", "largest_zoom",
)  # fmt: skip

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""Beginnings of texts that spreadsheets compute, also after apostrophes, so that the way back is exact."""


def votes_text(votes: Iterable[VoteRow]) -> str:
    """Return votes as the text of a CSV file, with the columns that `survey analyze` reads.

    Spreadsheets would compute texts that begin with =, +, - or @: they get an apostrophe, which `read_votes` removes.
    """
    return table_text(COLUMNS, ([cells.get(name) for name in COLUMNS] for vote in votes for cells in _rows(vote)))


def _rows(vote: VoteRow) -> list[dict[str, Any]]:
    """Return the cells of an answer's rows: one, or for a ranking one for each image from best to worst."""
    cells = _cells(vote)
    blank = {"condition_B": "", "is_A_selected": "", "side": ""}
    return [
        cells | blank | {"condition_A": name, "rank": rank, "place": vote.shown.index(name) + 1}
        for rank, name in enumerate(vote.ranking, start=1)
    ] or [cells]


def _cells(vote: VoteRow) -> dict[str, Any]:
    """Return an answer as the cells of a row."""
    return {
        "observer": vote.observer, "session": vote.session, "scene": vote.scene, "condition_A": vote.condition_a,
        "condition_B": vote.condition_b,
        "is_A_selected": "" if vote.is_tie or vote.rating is not None else int(vote.is_a_selected),
        "is_tie": int(vote.is_tie), "side": "left" if vote.a_is_left else "right", "rating": vote.rating,
        "kind": vote.kind, "position": vote.position, "repeat_of": vote.repeat_of, "response_ms": vote.response_ms,
        "requested_ms": vote.requested_ms, "shown_ms": vote.shown_ms, "blurs": vote.blurs,
        "flags": " ".join(vote.flags),
        "screening_passed": None if vote.screening_passed is None else int(vote.screening_passed),
        "received_at": vote.received_at, "probability": vote.probability,
        "finished": None if vote.finished is None else int(vote.finished), "exclusion": vote.exclusion,
        "scored": int(vote.scored), "elapsed_ms": vote.elapsed_ms,
        **dict(zip(VIEW, vote.view or (), strict=False)),
        **dict(zip(CONDITIONS, vote.conditions or (), strict=False)),
        "scale": None if vote.rating is None else vote.scale, "switches": vote.switches, "largest_zoom": vote.zoom,
    }  # fmt: skip


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
    has_position: bool

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
    return by_rank[0].vote.as_ranking(tuple(each.name for each in by_place), tuple(names))


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
        return _Read(self._number, vote, rank, place, has_position=bool(self.text("position")))

    def vote(self, position: int, *, ranked: bool) -> VoteRow:
        first, second = self.conditions()
        (rating, scale), kind = self.rating(), self.one_of("kind", get_args(Kind), "test")
        selected, tie = self.selection(rated=rating is not None, ranked=ranked)
        if kind == "test" and (reserved := STAND_INS & {first, second}):
            raise self.fault(
                f"'{min(reserved)}' is reserved for attention checks; write vigilance as kind, or rename the method"
            )
        given = self.whole("position")
        return VoteRow(
            self.text("observer"), self.text("session"), self.text("scene"), first, second, selected, tie, rating, kind,
            position if given is None else given, a_is_left=self.one_of("side", ("left", "right"), "left") == "left",
            exclusion=self.exclusion(kind), repeat_of=self.whole("repeat_of"), response_ms=self.number("response_ms"),
            requested_ms=self.number("requested_ms"), shown_ms=self.number("shown_ms"), blurs=self.whole("blurs") or 0,
            flags=tuple(self.text("flags").split()), screening_passed=self.flag("screening_passed"),
            received_at=self.number("received_at"), probability=self.number("probability"),
            finished=self.flag("finished"), elapsed_ms=self.number("elapsed_ms"), view=self.view(),
            conditions=measured(self.number(name) for name in CONDITIONS), scale=scale,
            switches=self.whole("switches"), zoom=self.number("largest_zoom"),
        )  # fmt: skip

    def conditions(self) -> tuple[str, str]:
        """Return A and B."""
        for name in ("observer", "scene", "condition_A"):
            if not self.text(name):
                raise self.fault(f"{name} must not be empty")
        first, second = self.text("condition_A"), self.text("condition_B")
        if first == second:
            raise self.fault(
                f"condition_A and condition_B are both '{first}', but a method is never compared with itself"
            )
        return first, second

    def rating(self) -> tuple[int | None, int]:
        """Return the rating, or None, and its scale."""
        rating, scale = self.whole("rating"), self.whole("scale") or 5
        if scale not in SCALES:
            raise self.fault(f"scale must be 5 (ratings from 1) or 100 (from 0), not {scale}")
        low, high = SCALES[scale], scale
        if rating is not None and not low <= rating <= high:
            more = "; write 100 in the column scale for ratings of a slider" if 5 < rating <= 100 else ""
            raise self.fault(f"rating must be {low} to {high}, not {rating}{more}")
        return rating, 5 if rating is None else scale

    def selection(self, *, rated: bool, ranked: bool) -> tuple[bool, bool]:
        """Return whether A was selected, and whether the answer is a tie."""
        selected, tie = self.flag("is_A_selected"), bool(self.flag("is_tie"))
        if ranked and (self.text("condition_B") or rated or tie or selected is not None):
            raise self.fault("a row with a rank is about one image; leave condition_B, is_A_selected and rating empty")
        if selected is None and not tie and not rated and not ranked:
            raise self.fault("is_A_selected is empty in a row that is neither a tie nor a rating")
        if selected and tie:
            raise self.fault("is_A_selected is 1 in a tie, which selects neither image")
        return bool(selected), tie

    def exclusion(self, kind: str) -> str:
        found = self.text("exclusion")
        return "unscored" if kind == "test" and self.flag("scored") is False and not found else found


def _check_together(lines: Sequence[_Read], path: Path) -> None:
    """Raise an error at the first row that does not fit the others."""
    protocol = _protocol(lines)
    pairs = any(each.vote.condition_b for each in lines)
    seen: dict[Hashable, int] = {}
    for each in lines:
        fault = _fault(each, lines[0], protocol, pairs=pairs)
        question = _question(each)
        if question in seen:
            fault = f"it answers the same question as line {seen[question]}; remove one of them"
        if fault:
            raise ConfigError(f"{path}, line {each.line}: {fault}")
        seen[question] = each.line


def _question(each: _Read) -> Hashable:
    """Return what only one row may answer; without the column `position`, people may be asked twice about one pair."""
    vote = each.vote
    if each.rank is not None or not each.has_position:
        return vote
    return (
        vote.observer,
        vote.session,
        vote.kind,
        vote.scene,
        frozenset((vote.condition_a, vote.condition_b)),
        vote.position,
    )


def _protocol(lines: Sequence[_Read]) -> str:
    return "rank_order" if any(each.rank is not None for each in lines) else protocol_of(each.vote for each in lines)


def _fault(each: _Read, first: _Read, protocol: str, *, pairs: bool) -> str | None:
    vote = each.vote
    if protocol == "rank_order":
        return "the rank is empty, but other rows have ranks; keep one protocol per file" if each.rank is None else None
    if protocol == "rating":
        return _rating_fault(vote, first)
    if pairs and not vote.condition_b:
        return "condition_B is empty, but other rows compare two images; name the second method"
    if not pairs and protocol != "real_or_fake":
        return f"condition_B is empty, but no scored row is about '{TRUTH}' or has a rating; name the second method"
    return _fooling_fault(vote, pairs=pairs) if protocol == "real_or_fake" else None


def _fooling_fault(vote: VoteRow, *, pairs: bool) -> str | None:
    if vote.is_tie:
        return f"a tie does not say which image looks real; leave ties out, or rename '{TRUTH}' to compare preferences"
    if pairs and vote.kind == "test" and TRUTH not in {vote.condition_a, vote.condition_b}:
        return f"neither condition is '{TRUTH}', but other rows compare with it; keep one protocol per file"
    return None


def _rating_fault(vote: VoteRow, first: _Read) -> str | None:
    if vote.rating is None:
        return "the rating is empty, but other rows have ratings; keep one protocol per file"
    if vote.scale != first.vote.scale:
        return f"the scale is {vote.scale}, but that of line {first.line} is {first.vote.scale}; keep one scale"
    return "a rating is about one image; leave condition_B empty" if vote.condition_b else None

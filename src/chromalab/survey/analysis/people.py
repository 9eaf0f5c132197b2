"""How far people agree with each other, picture by picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chromalab.stats.agreement import rater_ceiling
from chromalab.survey.analysis.raters import repeat_agreements
from chromalab.survey.analysis.records import PeopleAgreement
from chromalab.survey.analysis.votes import VoteRow, by_observer
from chromalab.survey.design import RANDOM, TRUTH

if TYPE_CHECKING:
    from collections.abc import Sequence

Picture = tuple[str, str]


def picture_scores(rows: Sequence[VoteRow]) -> dict[Picture, float]:
    """Return what people say of every picture (photograph, method): share of comparisons won, or mean rating."""
    points: dict[Picture, list[float]] = {}
    for _, picture, value in _points(rows):
        points.setdefault(picture, []).append(value)
    return {picture: float(np.mean(points[picture])) for picture in sorted(points)}


def _points(rows: Sequence[VoteRow]) -> list[tuple[str, Picture, float]]:
    """Return (who, picture, points) of every vote: 1 for the preferred picture, 0 for the other; or the rating."""
    found: list[tuple[str, Picture, float]] = []
    for row in rows:
        if row.rating is not None:
            found.append((row.observer, (row.scene, row.condition_a), float(row.rating)))
        elif row.condition_b:
            share = 0.5 if row.is_tie else float(row.left_selected)
            for name, points in ((row.left, share), (row.right, 1 - share)):
                if name != TRUTH:
                    found.append((row.observer, (row.scene, name), points))
        elif row.condition_a not in {TRUTH, RANDOM}:
            found.append((row.observer, (row.scene, row.condition_a), float(row.is_a_selected)))
    return found


def agreement_of_people(scored: Sequence[VoteRow], everything: Sequence[VoteRow], *, seed: int = 0) -> PeopleAgreement:
    """Return how far halves of the people agree on pictures, one person with the rest, and each with themselves.

    Args:
        scored: the votes that count.
        everything: these people's repeats too.
        seed: of the halvings.
    """
    repeats = [alike for rows in by_observer(everything).values() for alike in repeat_agreements(rows)]
    points = _points(scored)
    found = rater_ceiling(
        [who for who, _, _ in points],
        ["\x1f".join(picture) for _, picture, _ in points],
        [value for _, _, value in points],
        seed=seed,
    )
    alone = PeopleAgreement(repeats=float(np.mean(repeats)) if repeats else None)
    if found is None:
        return alone
    return alone.model_copy(
        update={
            "split_half": found.split_half,
            "corrected": found.corrected,
            "ceiling": found.ceiling,
            "one_against_rest": found.single,
        }
    )

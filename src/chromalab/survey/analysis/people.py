"""How far people agree with each other, picture by picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chromalab.stats.agreement import srcc
from chromalab.survey.analysis.raters import repeat_agreements
from chromalab.survey.analysis.records import PeopleAgreement
from chromalab.survey.analysis.votes import VoteRow, by_observer
from chromalab.survey.design import RANDOM, TRUTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SPLITS = 200
MIN_PEOPLE = 4

Picture = tuple[str, str]


def picture_scores(rows: Sequence[VoteRow]) -> dict[Picture, float]:
    """Return what people say of every picture (photograph, method): share of comparisons won, or mean rating."""
    points = _points(rows)
    names, values = [point[1] for point in points], np.array([point[2] for point in points])
    pictures = sorted(set(names))
    place = {name: k for k, name in enumerate(pictures)}
    index = np.array([place[name] for name in names], dtype=np.intp)
    means = _means(index, values, len(pictures))
    return {picture: float(means[k]) for picture, k in place.items()}


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


def _means(index: NDArray[np.intp], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    sums, numbers = np.bincount(index, values, count), np.bincount(index, minlength=count)
    means: NDArray[np.float64] = np.divide(sums, numbers, out=np.full(count, np.nan), where=numbers > 0)
    return means


def agreement_of_people(scored: Sequence[VoteRow], everything: Sequence[VoteRow], *, seed: int = 0) -> PeopleAgreement:
    """Return how far halves of the people agree on pictures, one person with the rest, and each with themselves.

    Args:
        scored: the votes that count.
        everything: these people's repeats too.
        seed: of the halvings.
    """
    repeats = [alike for rows in by_observer(everything).values() for alike in repeat_agreements(rows)]
    points = _points(scored)
    people = list(dict.fromkeys(who for who, _, _ in points))
    alone = PeopleAgreement(repeats=float(np.mean(repeats)) if repeats else None)
    if len(people) < MIN_PEOPLE:
        return alone
    pictures = sorted({picture for _, picture, _ in points})
    who = np.array([people.index(name) for name, _, _ in points])
    place = {picture: k for k, picture in enumerate(pictures)}
    index = np.array([place[picture] for _, picture, _ in points], dtype=np.intp)
    values = np.array([value for _, _, value in points])
    split = _split_half(who, index, values, len(people), len(pictures), np.random.default_rng(seed))
    corrected = 2 * split / (1 + split) if split is not None and split > 0 else None
    return alone.model_copy(
        update={
            "split_half": split,
            "corrected": corrected,
            "ceiling": float(np.sqrt(corrected)) if corrected is not None else None,
            "one_against_rest": _one_against_rest(index, values, len(pictures)),
        }
    )


def _split_half(
    who: NDArray[np.intp], index: NDArray[np.intp], values: NDArray[np.float64], people: int, pictures: int,
    generator: np.random.Generator,
) -> float | None:  # fmt: skip
    found = []
    for _ in range(SPLITS):
        half = (generator.permutation(people) % 2 == 0)[who]
        first, second = (_means(index[part], values[part], pictures) for part in (half, ~half))
        both = np.isfinite(first) & np.isfinite(second)
        correlation = srcc(first[both], second[both]) if both.sum() > 2 else None
        if correlation is not None:
            found.append(correlation)
    return float(np.mean(found)) if found else None


def _one_against_rest(index: NDArray[np.intp], values: NDArray[np.float64], pictures: int) -> float | None:
    sums, numbers = np.bincount(index, values, pictures), np.bincount(index, minlength=pictures)
    others = numbers[index] > 1
    rest = (sums[index] - values)[others] / (numbers[index] - 1)[others]
    return srcc(values[others], rest) if others.sum() > 2 else None

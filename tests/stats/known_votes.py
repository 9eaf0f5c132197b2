"""Data sets of the literature on paired comparisons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chromalab.stats.preference import Votes

BASEBALL_TEAMS = ("Mil", "Det", "Tor", "NY", "Bos", "Cle", "Bal")
# Agresti, Categorical Data Analysis: American League, 1987; home team first, its wins and losses.
BASEBALL = [
    (home, away, int(wins), int(losses))
    for home, line in {
        "Mil": "Det 4-3 Tor 4-2 NY 4-3 Bos 6-1 Cle 4-2 Bal 6-0",
        "Det": "Mil 3-3 Tor 4-2 NY 4-3 Bos 6-0 Cle 6-1 Bal 4-3",
        "Tor": "Mil 2-5 Det 4-3 NY 2-4 Bos 4-3 Cle 4-2 Bal 6-0",
        "NY": "Mil 3-3 Det 5-1 Tor 2-5 Bos 4-3 Cle 4-2 Bal 6-1",
        "Bos": "Mil 5-1 Det 2-5 Tor 3-3 NY 4-2 Cle 5-2 Bal 6-0",
        "Cle": "Mil 2-5 Det 3-3 Tor 3-4 NY 4-3 Bos 4-2 Bal 2-4",
        "Bal": "Mil 2-5 Det 1-5 Tor 1-6 NY 2-4 Bos 1-6 Cle 3-4",
    }.items()
    for away, score in zip(line.split()[::2], line.split()[1::2], strict=True)
    for wins, losses in [score.split("-")]
]


def baseball_votes() -> Votes:
    """The games as votes: the home team stands on the left."""
    left, right = np.zeros((2, 7, 7))
    for home, away, wins, losses in BASEBALL:
        i, j = BASEBALL_TEAMS.index(home), BASEBALL_TEAMS.index(away)
        left[i, j], right[i, j] = wins, losses
    return Votes(left, right, np.zeros((7, 7)))


class Puddings(NamedTuple):
    """Davidson (1970): six chocolate puddings, with ties."""

    pairs: list[tuple[int, int]]
    first: tuple[int, ...]
    second: tuple[int, ...]
    ties: tuple[int, ...]
    worth: tuple[float, ...]


PUDDINGS = Puddings(
    [(j, i) for i in range(1, 6) for j in range(i)],  # 12 13 23 14 24 34 ...
    (19, 16, 19, 18, 23, 19, 13, 16, 16, 17, 18, 22, 13, 14, 11),
    (22, 19, 19, 23, 19, 20, 19, 20, 15, 14, 21, 20, 18, 19, 21),
    (16, 12, 10, 13, 9, 15, 18, 12, 17, 16, 12, 12, 10, 18, 12),
    (0.138803, 0.173002, 0.161747, 0.165373, 0.158685, 0.202389),
)


def pudding_votes() -> Votes:
    """The tastings as votes, the lower number on the left."""
    left, right, ties = np.zeros((3, 6, 6))
    for (i, j), first, second, tie in zip(PUDDINGS.pairs, PUDDINGS.first, PUDDINGS.second, PUDDINGS.ties, strict=True):
        left[i, j], right[i, j], ties[i, j] = first, second, tie
    return Votes(left, right, ties)

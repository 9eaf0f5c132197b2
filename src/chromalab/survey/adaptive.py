"""Adaptive pair selection that can be replayed exactly.

A selection depends only on the votes up to a recorded one, the participant's earlier trials, and their seed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from chromalab.stats.active_sampling import expected_information_gain, laplace_posterior, pair_probabilities
from chromalab.survey.design import RANDOM
from chromalab.survey.schedule import Item, Trial, truth_check

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from chromalab.survey.design import Design


@dataclass
class Tally:
    """Counts of the votes on scored trials.

    Attributes:
        methods: methods in the order of rows and columns.
        wins: `wins[i, j]` counts how often i was preferred to j; a tie counts half for both.
        shown: how often each item was rated.
        last: ID of the last counted vote.
    """

    methods: Sequence[str]
    wins: np.ndarray = field(init=False)
    shown: Counter[Item] = field(default_factory=Counter)
    last: int = 0

    def __post_init__(self) -> None:
        self.wins = np.zeros((len(self.methods), len(self.methods)))
        self._places = {name: place for place, name in enumerate(self.methods)}

    def add(self, vote_id: int, trial: Trial, choice: str) -> None:
        """Count a vote: `left`, `right` or `tie`."""
        i, j = self._places[trial.left], self._places[trial.right]
        share = {"left": 1.0, "right": 0.0}.get(choice, 0.5)
        self.wins[i, j] += share
        self.wins[j, i] += 1 - share
        self.shown[trial.item] += 1
        self.last = vote_id

    def copy(self) -> Tally:
        """Return a tally with the same counts, which counts on by itself."""
        found = Tally(self.methods, self.shown.copy(), self.last)
        found.wins[:] = self.wins
        return found

    def sha256(self) -> str:
        """Return a hash of the counts."""
        return hashlib.sha256(np.ascontiguousarray(self.wins).tobytes()).hexdigest()


@dataclass(frozen=True)
class PairSelection:
    """A selected trial with the data behind the selection.

    Attributes:
        trial: the trial.
        probability: probability of this pair among those still available to the participant.
        last_vote: ID of the last vote considered.
        tally_sha256: hash of the counts.
    """

    trial: Trial
    probability: float
    last_vote: int
    tally_sha256: str


def choose_pair(
    design: Design, tally: Tally, scenes: Sequence[str], before: Sequence[Trial], generator: np.random.Generator
) -> PairSelection:
    """Return the next scored trial.

    Args:
        design: the design of the survey.
        tally: the counted votes.
        scenes: the photos.
        before: the participant's earlier trials in order.
        generator: generator for this selection.
    """
    gain = expected_information_gain(laplace_posterior(tally.wins)).round(9)  # equal gains stay equal on every machine
    chances = pair_probabilities(gain, exploration=design.exploration)
    seen = {trial.item for trial in before if trial.kind == "test"}
    last = before[-1].scene if before else None
    rows, columns = np.triu_indices(len(tally.methods), 1)
    free = _with_free_scenes(tally.methods, rows, columns, seen, len(scenes))
    weights = np.where(free, chances[rows, columns], 0.0)
    weights /= weights.sum()
    chosen = int(generator.choice(len(rows), p=weights))
    a, b = tally.methods[rows[chosen]], tally.methods[columns[chosen]]
    scene = _scene(tally, scenes, (a, b), seen, before, last, generator)
    left, right = _sides(a, b, before, generator)
    trial = Trial("test", scene, left, right)
    return PairSelection(trial, float(weights[chosen]), tally.last, tally.sha256())


def _with_free_scenes(
    methods: Sequence[str], rows: np.ndarray, columns: np.ndarray, seen: set[Item], n_scenes: int
) -> np.ndarray:
    used = Counter((a, b) for _, a, b in seen)
    if not used or max(used.values()) < n_scenes:
        return np.ones(len(rows), dtype=bool)
    pairs = (tuple(sorted((methods[i], methods[j]))) for i, j in zip(rows, columns, strict=True))
    return np.array([used[a, b] < n_scenes for a, b in pairs])


def _scene(
    tally: Tally, scenes: Sequence[str], pair: tuple[str, str], seen: set[Item], before: Sequence[Trial],
    last: str | None, generator: np.random.Generator,
) -> str:  # fmt: skip
    a, b = sorted(pair)
    free = [scene for scene in scenes if (scene, a, b) not in seen]
    own = Counter(trial.scene for trial in before)
    chance = generator.random(len(free))
    places = sorted(
        range(len(free)),
        key=lambda k: (free[k] == last, own[free[k]], tally.shown[free[k], a, b], chance[k]),
    )
    return free[places[0]]


def _sides(a: str, b: str, before: Sequence[Trial], generator: np.random.Generator) -> tuple[str, str]:
    """Put on the left the method that leans less to the left so far; break ties at random."""
    lean: Counter[str] = Counter()
    for trial in before:
        if trial.kind == "test":
            lean[trial.left] += 1
            lean[trial.right] -= 1
    coin = bool(generator.integers(2))
    a_first = lean[a] < lean[b] if lean[a] != lean[b] else coin
    return (a, b) if a_first else (b, a)


def fill_slot(
    slot: Trial, scenes: Sequence[str], methods: Sequence[str], before: Sequence[Trial],
    generator: np.random.Generator, *, known: Collection[str] = (),
) -> Trial:  # fmt: skip
    """Return the due practice trial, attention check or repeat of an adaptive schedule.

    Photos in `known` have damaged true colors. A practice trial or check takes one of them, and shows both versions.
    """
    last = before[-1].scene if before else None
    if slot.kind == "repeat" and slot.repeat_of is not None:
        return before[slot.repeat_of].flipped(slot.repeat_of)
    own = Counter(trial.scene for trial in before)
    order = [scenes[k] for k in generator.permutation(len(scenes))]
    if slot.kind == "practice" and known:
        order = [scene for scene in order if scene in known]
    checked = Counter(trial.scene for trial in before if known and trial.kind == slot.kind)
    order.sort(key=lambda scene: (scene == last, checked[scene], scene not in known, own[scene]))
    names = [methods[k] for k in generator.permutation(len(methods))[:2]]
    if order[0] in known:
        return truth_check(order[0], generator, pair=True, kind=slot.kind)
    if slot.kind == "vigilance":
        names = [names[0], RANDOM] if generator.integers(2) else [RANDOM, names[0]]
    return Trial(slot.kind, order[0], *names)

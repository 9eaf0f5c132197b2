"""Power of a design: simulate votes and the test to find how many participants a survey needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from chromalab.core.records import Record
from chromalab.core.seeds import derive_seed
from chromalab.stats.clusters import two_sided_p
from chromalab.survey.schedule import make_schedule, seeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from chromalab.survey.design import Design

PEOPLE = (10, 20, 30, 50, 80, 120)
WANTED = 0.8
ALPHA = 0.05


class PowerRow(Record):
    """Power and false-alarm rate for one number of participants."""

    participants: int
    power: float
    false_alarms: float


class PowerTable(Record):
    """Power of a design.

    Attributes:
        difference: assumed difference between two neighboring methods, in log-odds or rating points.
        rows: one row per number of participants.
        needed: smallest listed number of participants with 80% power, or None.
        trials_per_pair: votes per pair of methods (or per method) from the planned number of participants.
        test: the simulated test.
    """

    difference: float
    rows: list[PowerRow]
    needed: int | None
    trials_per_pair: float
    test: str


def simulate_power(design: Design, methods: Sequence[str], scenes: Sequence[str], *, seed: int = 0) -> PowerTable:
    """Estimate the power to find a difference between two neighboring methods, uncorrected for multiplicity.

    The simulation draws votes on the pair with random effects of participants and photos, on balanced schedules. The
    test follows the analysis: the variance over participants plus that over photos minus that over votes, computed from
    sums instead of bootstraps.
    """
    assumed = design.power
    rows = []
    for participants in sorted({*PEOPLE, min(design.stop.participants, 300)}):
        shares = [
            np.mean(
                [
                    _found(design, methods, scenes, participants, real, derive_seed(seed, participants, str(real), k))
                    for k in range(assumed.simulations)
                ]
            )
            for real in (assumed.difference, 0.0)
        ]
        rows.append(PowerRow(participants=participants, power=float(shares[0]), false_alarms=float(shares[1])))
    needed = next((row.participants for row in rows if row.power >= WANTED), None)
    return PowerTable(
        difference=assumed.difference, rows=rows, needed=needed,
        trials_per_pair=trials_per_group(design, methods) * design.stop.participants,
        test="two neighboring methods, two-sided, 5%, before Holm's correction",
    )  # fmt: skip


def trials_per_group(design: Design, methods: Sequence[str]) -> float:
    """Return the scored trials of one participant per pair of methods, or per method."""
    n = len(methods)
    groups = {"pairwise": n * (n - 1) / 2, "rating": n, "real_or_fake": n}[design.protocol]
    return design.trials / groups


def _found(
    design: Design, methods: Sequence[str], scenes: Sequence[str], participants: int, difference: float, seed: int
) -> bool:
    """Simulate one survey and return whether its test finds a difference."""
    generator = np.random.default_rng(seed)
    who, where = _trials(design, methods, scenes, participants, generator)
    rater = generator.normal(0, design.power.rater_sd * np.sqrt(2), participants)
    photo = generator.normal(0, design.power.photo_sd * np.sqrt(2), len(scenes))
    d = difference + rater[who] + photo[where]
    if design.protocol == "rating":
        values = d + generator.normal(0, np.sqrt(2), len(who))
    else:
        values = (generator.random(len(who)) < special.expit(d)) - 0.5
    mean = float(values.mean())
    left = values - mean
    parts = [_clustered(left, groups) for groups in (who, where)]
    variance = max(parts[0] + parts[1] - float((left**2).sum()), *parts) / len(values) ** 2
    df = min(len(set(who.tolist())), len(set(where.tolist()))) - 1
    return df > 0 and variance > 0 and two_sided_p(mean / np.sqrt(variance), df) < ALPHA


def _clustered(left: NDArray[np.float64], groups: NDArray[np.intp]) -> float:
    sums = np.bincount(groups, left)
    n = len(np.unique(groups))
    return float((sums**2).sum()) * n / max(n - 1, 1)


def _trials(
    design: Design, methods: Sequence[str], scenes: Sequence[str], participants: int, generator: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return participant and photo of every vote on the pair under balanced schedules."""
    each = trials_per_group(design, methods) / (1 if design.protocol == "pairwise" else 0.5)
    if design.protocol == "real_or_fake":
        each = design.trials / len(methods)
    counts = np.floor(each + generator.random(participants)).astype(np.intp)
    order = np.concatenate([generator.permutation(len(scenes)) for _ in range(int(counts.sum()) // len(scenes) + 1)])
    who = np.repeat(np.arange(participants), counts)
    if len(who) == 0:
        who = np.array([0], dtype=np.intp)
    return who, order[: len(who)]


def expected_usage(design: Design, methods: Sequence[str], scenes: Sequence[str]) -> dict[str, float]:
    """Return the fewest, mean and most presentations of an item after up to 20 schedules, as a check of balance."""
    usage: dict[tuple[str, str, str], int] = {}
    for number in range(min(design.stop.participants, 20)):
        generator, method = seeded(b"balance", str(number), "schedule"), methods[number % len(methods)]
        trials = make_schedule(design, methods, scenes, usage, generator, method=method)
        for trial in trials:
            if trial.kind == "test":
                usage[trial.item] = usage.get(trial.item, 0) + 1
    values = list(usage.values()) or [0]
    return {"fewest": min(values), "mean": float(np.mean(values)), "most": max(values)}

"""Power of a design: simulate votes and the test to find how many participants a survey needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from chromalab.core.records import Record
from chromalab.core.seeds import derive_seed
from chromalab.core.wording import plural
from chromalab.stats.clusters import quantile, two_sided_p
from chromalab.stats.significance import equivalence_power, t_test_power
from chromalab.survey.schedule import Item, largest_number_of_trials, make_schedule, seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from chromalab.survey.design import Design

PEOPLE = (10, 20, 30, 50, 80, 120)
PEOPLE_OF_ONE_METHOD = (200, 300, 500)
"""Further numbers of participants for real-or-fake, where each of them sees one method only."""
WANTED = 0.8
ALPHA = 0.05
MOST_PHOTOS = 2**17
PAIRS = frozenset({"pairwise", "rank_order"})
"""Protocols whose power is that of votes on pairs of methods."""


class PowerRow(Record):
    """Power and false-alarm rate for one number of participants, and the power to show equivalence."""

    participants: int
    power: float
    false_alarms: float
    equivalence: float | None = None


class PhotoLimit(Record):
    """Power with countless participants, which the number of photos limits.

    Attributes:
        power: power that no number of participants exceeds with these photos.
        photos_needed: smallest number of photos with which countless participants reach 80%; None beyond 131,072.
    """

    power: float
    photos_needed: int | None


class PowerTable(Record):
    """Power of a design.

    Attributes:
        difference: assumed difference between two neighboring methods, in log-odds or rating points.
        rows: one row per number of participants.
        needed: smallest listed number of participants with 80% power, or None.
        trials_per_pair: votes per pair of methods (or per method) from the planned number of participants.
        test: the simulated test.
        margin: equivalence margin of the plan, or else the assumed difference.
        needed_equivalence: smallest listed number of participants with 80% power to show equivalence, or None.
        photos: number of photos.
        limit: power to find the difference that the photos allow.
        limit_equivalence: power to show equivalence that the photos allow.
    """

    difference: float
    rows: list[PowerRow]
    needed: int | None
    trials_per_pair: float
    test: str
    margin: float | None = None
    needed_equivalence: int | None = None
    photos: int | None = None
    limit: PhotoLimit | None = None
    limit_equivalence: PhotoLimit | None = None


def simulate_power(design: Design, methods: Sequence[str], scenes: Sequence[str], *, seed: int = 0) -> PowerTable:
    """Estimate the power to find a difference between two neighboring methods, uncorrected for multiplicity.

    The simulation draws votes on the pair with random effects of participants and photos, on balanced schedules. In
    real-or-fake the two methods have different participants, and fooling rates around one half. The test follows the
    analysis: the variance over participants plus that over photos minus that over votes, computed from sums instead of
    bootstraps. Equivalence is simulated with methods that do not differ.
    """
    assumed = design.power
    room = _margin(design)
    rows = []
    for participants in _numbers_of_participants(design):
        found = {
            real: [
                _study(design, methods, scenes, participants, real, derive_seed(seed, participants, str(real), k))
                for k in range(assumed.simulations)
            ]
            for real in (assumed.difference, 0.0)
        }
        power, false_alarms = (float(np.mean([study.differs for study in studies])) for studies in found.values())
        alike = float(np.mean([study.is_within(room) for study in found[0.0]]))
        rows.append(PowerRow(participants=participants, power=power, false_alarms=false_alarms, equivalence=alike))
    return PowerTable(
        difference=assumed.difference * _unit(design), rows=rows,
        needed=next((row.participants for row in rows if row.power >= WANTED), None),
        trials_per_pair=trials_per_group(design, methods) * design.stop.participants,
        test="two neighboring methods, two-sided, 5%, before Holm's correction"
        + ("; each ranking counts as one vote on each pair it shows" if design.protocol == "rank_order" else ""),
        margin=design.analysis.margin or assumed.difference * _unit(design),
        needed_equivalence=next((row.participants for row in rows if (row.equivalence or 0) >= WANTED), None),
        photos=len(scenes),
        limit=_limit(lambda n: _most_power(design, n), len(scenes)),
        limit_equivalence=_limit(lambda n: _most_equivalence(design, n, room), len(scenes)),
    )  # fmt: skip


def _numbers_of_participants(design: Design) -> list[int]:
    more = PEOPLE_OF_ONE_METHOD if design.protocol == "real_or_fake" else ()
    return sorted({*PEOPLE, *more, min(design.stop.participants, max((300, *more)))})


def power_words(table: PowerTable) -> list[str]:
    """Return what the table means for the number of participants and photos, in one sentence each."""
    aims = (
        (f"find a difference of {table.difference:g}", table.needed, table.limit),
        (f"show that a difference is within {table.margin:g}", table.needed_equivalence, table.limit_equivalence),
    )
    return [_words(aim, needed, limit, table.photos or 0) for aim, needed, limit in aims if limit is not None]


def _words(aim: str, needed: int | None, limit: PhotoLimit, photos: int) -> str:
    if needed is not None:
        return f"to {aim} with 80% power takes about {needed} participants"
    if limit.power >= WANTED:
        return (
            f"none of these numbers of participants suffices to {aim} with 80% power; plan more participants, trials "
            "or photos"
        )
    more = f"; at least {limit.photos_needed:,} photos are needed" if limit.photos_needed else ""
    return (
        f"with {plural(photos, 'photo')} no number of participants suffices to {aim}: power never exceeds "
        f"{limit.power:.0%}{more}"
    )


def _limit(power: Callable[[int], float], photos: int) -> PhotoLimit:
    enough = 2
    while power(enough) < WANTED and enough < MOST_PHOTOS:
        enough *= 2
    if power(enough) < WANTED:
        return PhotoLimit(power=power(photos), photos_needed=None)
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if power(middle) >= WANTED else (middle, enough)
    return PhotoLimit(power=power(photos), photos_needed=enough)


def _most_power(design: Design, photos: int) -> float:
    mean, spread = _photo_means(design, design.power.difference)
    if photos < 2:
        return 0.0
    return 1.0 if spread == 0 else t_test_power(mean / spread * photos**0.5, photos - 1, ALPHA)


def _most_equivalence(design: Design, photos: int, room: float) -> float:
    _, spread = _photo_means(design, 0.0)
    if photos < 2:
        return 0.0
    return 1.0 if spread == 0 else equivalence_power(room / spread * photos**0.5, photos - 1, ALPHA)


def _photo_means(design: Design, difference: float) -> tuple[float, float]:
    """Return the mean over photos and the spread between photos of what countless participants vote.

    The unit is that of `_study`: rating points, the share of votes above one half, or the difference of fooling rates.
    """
    if design.protocol == "real_or_fake":
        return _rate_differences(design, difference)
    photo_sd, rater_sd = design.power.photo_sd * np.sqrt(2), design.power.rater_sd * np.sqrt(2)
    if design.protocol == "rating":
        return difference, float(photo_sd)
    nodes, weights = _normal()
    votes = special.expit(difference + photo_sd * nodes[:, None] + rater_sd * nodes) @ weights - 0.5
    mean = float(weights @ votes)
    return mean, float(np.sqrt(max(float(weights @ (votes - mean) ** 2), 0.0)))


def _rate_differences(design: Design, difference: float) -> tuple[float, float]:
    """Return the mean and the spread between photos of the difference of two fooling rates."""
    nodes, weights = _normal()
    sd = _fooling_spreads(design)
    photo = sd.generated * nodes[:, None] - sd.true * nodes  # (generated, true)
    rates = [special.expit(way * difference / 2 + photo[..., None] + sd.rater * nodes) @ weights for way in (1, -1)]
    means = [weights @ rate for rate in rates]  # by true photo, which both methods share
    own = sum(weights @ (rate - mean) ** 2 for rate, mean in zip(rates, means, strict=True))
    shared = means[0] - means[1]
    mean = float(weights @ shared)
    return mean, float(np.sqrt(weights @ (own + (shared - mean) ** 2)))


def _normal() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights of means over a standard normal distribution."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    return nodes, weights / weights.sum()


class _Spreads(NamedTuple):
    """Standard deviations of the log-odds of taking a generated photo for a true one.

    Attributes:
        generated: between generated photos of one method.
        true: between true photos; 0 if they are not beside the generated ones.
        rater: between participants.
    """

    generated: float
    true: float
    rater: float


def _fooling_spreads(design: Design) -> _Spreads:
    """Return the spreads: an answer about a pair depends on two abilities, one about a single image on one."""
    photo, rater = design.power.photo_sd, design.power.rater_sd
    return _Spreads(photo, 0.0, rater) if design.form == "yes_no" else _Spreads(photo, photo, rater * 2**0.5)


def _margin(design: Design) -> float:
    """Return the equivalence margin in the unit of `_study`."""
    margin = design.analysis.margin
    if margin is not None and design.protocol == "real_or_fake":
        return margin
    if margin is not None:
        margin /= _unit(design)
    return _photo_means(design, margin or design.power.difference)[0]


def _unit(design: Design) -> float:
    """Return how many units of the scores a unit of the assumptions is: 25 points of a slider, and otherwise 1."""
    return 25.0 if design.form == "slider" else 1.0


def trials_per_group(design: Design, methods: Sequence[str]) -> float:
    """Return the scored trials of one participant per pair of methods, or per method.

    A ranking counts for each pair that it shows: under the Plackett-Luce model the order of two items does not depend
    on the others. Single images count if they are generated. In real-or-fake a participant sees one method only, so
    this is the mean over participants.
    """
    n = len(methods)
    shown = design.n_shown(n)
    votes = _generated(design) * (shown * (shown - 1) / 2 if design.protocol == "rank_order" else 1)
    return votes / (n * (n - 1) / 2 if design.protocol in PAIRS else n)


def _generated(design: Design) -> int:
    """Return the scored trials of a participant that show generated colors."""
    return design.trials - design.trials // 2 if design.form == "yes_no" else design.trials


class _Study(NamedTuple):
    """The estimate of a simulated survey, with an infinite standard error if there is no test."""

    mean: float
    se: float
    df: int

    @property
    def differs(self) -> bool:
        """Whether the test finds a difference."""
        return self.se < np.inf and two_sided_p(self.mean / self.se, self.df) < ALPHA

    def is_within(self, margin: float) -> bool:
        """Whether two one-sided tests put the difference within the margin."""
        return self.se < np.inf and abs(self.mean) + quantile(self.df, 1 - 2 * ALPHA) * self.se < margin


def _study(
    design: Design, methods: Sequence[str], scenes: Sequence[str], participants: int, difference: float, seed: int
) -> _Study:
    """Simulate one survey."""
    generator = np.random.default_rng(seed)
    if design.protocol == "real_or_fake":
        return _study_of_groups(design, len(methods), len(scenes), participants, difference, generator)
    who, where = _trials(trials_per_group(design, methods), len(scenes), participants, generator)
    rater = generator.normal(0, design.power.rater_sd * np.sqrt(2), participants)
    photo = generator.normal(0, design.power.photo_sd * np.sqrt(2), len(scenes))
    d = difference + rater[who] + photo[where]
    if design.protocol == "rating":
        values = d + generator.normal(0, np.sqrt(2), len(who))
    else:
        values = (generator.random(len(who)) < special.expit(d)) - 0.5
    mean = float(values.mean())
    df = min(len(np.unique(who)), len(np.unique(where))) - 1
    return _estimate(mean, (values - mean) / len(values), who, where, df)


def _study_of_groups(
    design: Design, methods: int, photos: int, participants: int, difference: float, generator: np.random.Generator
) -> _Study:
    """Simulate the votes on two methods, of which each participant sees one on the same photos."""
    sizes = np.floor(participants / methods + generator.random(2)).astype(np.intp)
    if sizes.min() == 0:
        return _Study(0.0, np.inf, 0)
    sd = _fooling_spreads(design)
    true = generator.normal(0, sd.true, photos)
    rates, parts = [], []
    for way, size in zip((1, -1), sizes, strict=True):
        who, where = _trials(_generated(design), photos, size, generator)
        photo, rater = generator.normal(0, sd.generated, photos) - true, generator.normal(0, sd.rater, size)
        fooled = generator.random(len(who)) < special.expit(way * difference / 2 + photo[where] + rater[who])
        rates.append(float(fooled.mean()))
        parts.append((way * (fooled - rates[-1]) / len(who), who + (0 if way > 0 else sizes[0]), where))
    influence, who, where = (np.concatenate(part) for part in zip(*parts, strict=True))
    df = min(*sizes, *(len(np.unique(part[2])) for part in parts)) - 1
    return _estimate(rates[0] - rates[1], influence, who, where, int(df))


def _estimate(
    mean: float, influence: NDArray[np.float64], who: NDArray[np.intp], where: NDArray[np.intp], df: int
) -> _Study:
    """Return an estimate with its standard error from the influence of each vote on it."""
    parts = [_clustered(influence, groups) for groups in (who, where)]
    variance = max(parts[0] + parts[1] - float((influence**2).sum()), *parts)
    return _Study(mean, float(np.sqrt(variance)) if df > 0 and variance > 0 else np.inf, df)


def _clustered(influence: NDArray[np.float64], groups: NDArray[np.intp]) -> float:
    sums = np.bincount(groups, influence)
    n = len(np.unique(groups))
    return float((sums**2).sum()) * n / max(n - 1, 1)


def _trials(
    each: float, photos: int, participants: int, generator: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return participant and photo of every vote under balanced schedules with `each` votes per participant."""
    counts = np.floor(each + generator.random(participants)).astype(np.intp)
    order = np.concatenate([generator.permutation(photos) for _ in range(int(counts.sum()) // photos + 1)])
    who = np.repeat(np.arange(participants), counts)
    if len(who) == 0:
        who = np.array([0], dtype=np.intp)
    return who, order[: len(who)]


def expected_usage(design: Design, methods: Sequence[str], scenes: Sequence[str]) -> dict[str, float]:
    """Return the fewest, mean and most presentations of an item after up to 20 schedules, as a check of balance.

    Items that no schedule shows count, too. For rankings, whose items are sets, only sets that were shown count.
    """
    usage: dict[Item, int] = {}
    participants = min(design.stop.participants, 20)
    for number in range(participants):
        generator, method = seeded(b"balance", str(number), "schedule"), methods[number % len(methods)]
        trials = make_schedule(design, methods, scenes, usage, generator, method=method)
        for trial in trials:
            if trial.kind == "test":
                usage[trial.item] = usage.get(trial.item, 0) + 1
    n_items = {
        "real_or_fake": len(scenes) * min(len(methods), participants),
        "rank_order": len(usage),
    }.get(design.protocol, largest_number_of_trials(design, len(methods), len(scenes)))
    values = [*usage.values(), *[0] * (n_items - len(usage))] or [0]
    return {"fewest": min(values), "mean": float(np.mean(values)), "most": max(values)}

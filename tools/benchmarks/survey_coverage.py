"""Coverage of the survey's 95% intervals with few participants, near-unanimous votes and rates near 0.

    python -m tools.benchmarks.survey_coverage --json results/benchmarks/survey_coverage.json     # a quarter of an hour

Votes depend on the participant and the photo through normal effects in logits, with standard deviations `rater_sd` and
`photo_sd` for each method. The true value is that over all participants and photos, by Gauss-Hermite quadrature.
`bootstrap` is the interval of a bootstrap over participants and photos with Student's t, which was used for all studies
before.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from chromalab.stats.clusters import quantile
from chromalab.survey.analysis.analyze import MIN_PEOPLE, MIN_PHOTOS, MIN_VOTES
from chromalab.survey.analysis.preferences import score_preferences
from chromalab.survey.analysis.scores import score_fooling
from chromalab.survey.plan import AnalysisPlan
from chromalab.survey.votes import VoteRow
from tools import parser_of, write_record

if TYPE_CHECKING:
    from chromalab.stats.clusters import TwoWay
    from chromalab.stats.pivots import Pivot

DRAWS = 200
LEVEL = 0.95


@dataclass(frozen=True)
class Corner:
    """A small study.

    Attributes:
        kind: `pairwise` for two methods, or `rate` for one method in real or fake.
        people: participants.
        trials: trials of each participant.
        photos: photos.
        logit: difference of both methods, or logit of the fooling rate, at a typical participant and photo.
        rater_sd: standard deviation between participants.
        photo_sd: standard deviation between photos.
    """

    kind: str
    people: int
    trials: int
    photos: int
    logit: float
    rater_sd: float = 0.5
    photo_sd: float = 0.4

    @property
    def spread(self) -> float:
        """Factor of the effects: two methods vary independently."""
        return 2**0.5 if self.kind == "pairwise" else 1.0

    @property
    def truth(self) -> float:
        """The difference in logits, or the rate, over all participants and photos."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(61)
        sd = self.spread * float(np.hypot(self.rater_sd, self.photo_sd))
        rate = float(weights @ special.expit(self.logit + sd * nodes) / weights.sum())
        return round(float(special.logit(rate)) if self.kind == "pairwise" else rate, 12)

    def votes(self, rng: np.random.Generator) -> list[VoteRow]:
        """Draw the votes of one study, with balanced sides and photos."""
        rater = self.spread * self.rater_sd * rng.standard_normal(self.people)
        photo = self.spread * self.photo_sd * rng.standard_normal(self.photos)
        names = ("m0", "m1") if self.kind == "pairwise" else ("m0", "truth")
        found = []
        for person in range(self.people):
            for trial in range(self.trials):
                scene = (person * self.trials + trial) % self.photos
                first = rng.random() < special.expit(self.logit + rater[person] + photo[scene])
                pair = names if rng.integers(2) else names[::-1]
                chosen = bool(first) == (pair[0] == "m0")
                found.append(VoteRow(f"p{person}", "1", f"s{scene}", *pair, chosen, position=trial))
        return found


CORNERS = (
    *(Corner("pairwise", people, 10, 5, 0.0) for people in (2, 3, 5, 8)),
    Corner("pairwise", 5, 20, 10, 2.0),
    Corner("pairwise", 5, 10, 5, 3.5),
    Corner("pairwise", 8, 20, 10, 3.5),
    Corner("pairwise", 20, 10, 10, 3.5),
    Corner("pairwise", 20, 20, 20, 3.5, 1.0, 0.5),
    Corner("pairwise", 30, 10, 20, 5.0),
    Corner("pairwise", 30, 20, 20, 1.0),
    *(Corner("rate", people, 10, 10, -3.0) for people in (3, 5, 10)),
    Corner("rate", 5, 20, 20, -4.0),
    Corner("rate", 10, 20, 20, -4.0, 1.0, 0.5),
    Corner("rate", 30, 20, 20, -4.5),
    Corner("rate", 30, 40, 40, -2.0, 1.0, 0.5),
    Corner("rate", 30, 40, 40, -0.8),
    Corner("pairwise", 5, 10, 10, 0.0, rater_sd=3.0),
    Corner("pairwise", 10, 10, 5, 0.0, photo_sd=3.0),
    Corner("rate", 10, 10, 10, 0.0, rater_sd=3.0),
)


def estimate(corner: Corner, rows: list[VoteRow], seed: int) -> tuple[Pivot, float, TwoWay]:
    """Return the estimate of the survey's analysis, that of the bootstrap, and its variances."""
    if corner.kind == "pairwise":
        scores = score_preferences(rows, ["m0", "m1"], AnalysisPlan(draws=DRAWS), seed=seed)
        return scores.difference(0, 1), float(scores.fit.theta[0] - scores.fit.theta[1]), scores.errors
    rates = score_fooling(rows, ["m0"], draws=DRAWS, level=LEVEL, seed=seed)
    return rates.score(0), rates.score(0).value, rates.errors


def bootstrap_covers(value: float, errors: TwoWay, kind: str, truth: float) -> bool:
    """Return whether the interval of the bootstrap alone covers the truth."""
    contrast = np.zeros(len(errors.votes))
    contrast[0] = 1.0
    if kind == "pairwise":
        contrast[1] = -1.0
    parts = [part for part in (errors.combined, errors.participants, errors.photos) if part is not None]
    variance = max(float(contrast @ part @ contrast) for part in parts)
    return bool(abs(value - truth) <= quantile(errors.df, LEVEL) * variance**0.5)


def simulate(corner: Corner, repetitions: int, seed: int) -> dict[str, Any]:
    """Return the coverage of both intervals in one corner."""
    truth, covered, simple, widths, alike, claimed, wrong = corner.truth, 0, 0, [], 0, 0, 0
    enough = corner.people >= MIN_PEOPLE and corner.photos >= MIN_PHOTOS
    for k in range(repetitions):
        rows = corner.votes(np.random.default_rng((seed, k)))
        pivot, value, errors = estimate(corner, rows, k)
        low, high = pivot.bounds(LEVEL)
        covered += low <= truth <= high
        simple += bootstrap_covers(value, errors, corner.kind, truth)
        widths.append(high - low)
        wins = sum((row.condition_a if row.is_a_selected else row.condition_b) == "m0" for row in rows)
        alike += wins in {0, len(rows)}
        if corner.kind == "pairwise" and enough and len(rows) >= MIN_VOTES and pivot.p_value() < 1 - LEVEL:
            claimed += 1
            wrong += truth == 0 or (pivot.value > 0) != (truth > 0)
    return {
        **asdict(corner),
        "truth": truth,
        "coverage": covered / repetitions,
        "bootstrap": simple / repetitions,
        "width": float(np.median(widths)),
        "unanimous": alike / repetitions,
        "claimed": claimed / repetitions if corner.kind == "pairwise" else None,
        "wrong": wrong / repetitions if corner.kind == "pairwise" else None,
    }


def main() -> None:
    """Simulate every corner, print a table and write the record."""
    parser = parser_of(__doc__)
    parser.add_argument("--repetitions", type=int, default=400)
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print("kind      people trials photos   truth  coverage  bootstrap  width  unanimous  claimed  wrong")
    for seed, corner in enumerate(CORNERS, start=arguments.rng_seed):
        began = time.perf_counter()
        row = simulate(corner, arguments.repetitions, seed)
        rows.append(row)
        print(
            f"{row['kind']:9} {row['people']:6} {row['trials']:6} {row['photos']:6} {row['truth']:7.3f}  "
            f"{row['coverage']:8.3f}  {row['bootstrap']:9.3f}  {row['width']:5.2f}  {row['unanimous']:9.2f}  "
            f"{row['claimed'] or 0:7.2f}  {row['wrong'] or 0:5.3f}  ({time.perf_counter() - began:.0f} s)",
            flush=True,
        )
    limits = {"people": MIN_PEOPLE, "photos": MIN_PHOTOS, "votes": MIN_VOTES}
    write_record(arguments.json, {"repetitions": arguments.repetitions, "minimum": limits, "rows": rows})


if __name__ == "__main__":
    main()

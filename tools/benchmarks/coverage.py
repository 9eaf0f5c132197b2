"""Coverage of the 95% intervals of `chromalab.stats` where both seeds and photographs vary.

    python -m tools.benchmarks.coverage                 # about a minute
    python -m tools.benchmarks.coverage --repetitions 100000 --photos 10

Values are drawn from x = mu + a_seed + b_photo + e, all normal. `ratio` is the variance of a over that of b, on one
of two scales: of single values, or of their contributions to the variance of the mean (var_a / S over var_b / N). At
60 photographs, seeds already dominate the mean at a ratio of .1 of single values; on the second scale neither
dominates.

Columns: coverage of this project's interval (the wider of Satterthwaite's two-way interval and the t interval over
the seed means) and its mean width relative to the ideal interval with known variances, 1.96 sd(mean) to each side;
then the coverage of both parts, of the t interval over photographs alone, and of the crossed bootstrap over seeds and
photographs (percentile interval). The last table takes the worst over the residual's variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from chromalab.stats.intervals import mean_squares, variance_of_mean
from tools import parser_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATIOS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
SEEDS = (2, 3, 5)
RESIDUALS = (0.0, 0.3, 1.0, 5.0)
LEVEL = 0.95
CHUNK = 5000


@dataclass(frozen=True)
class Cell:
    """One setting of the simulation.

    Attributes:
        seeds: number of seeds.
        photos: number of photographs.
        seed_variance: variance of a seed's effect, where a photograph's is 1.
        residual_variance: variance of the residual.
    """

    seeds: int
    photos: int
    seed_variance: float
    residual_variance: float

    @property
    def variance_of_mean(self) -> float:
        """The true variance of the mean over seeds and photographs."""
        cells = self.seeds * self.photos
        return self.seed_variance / self.seeds + 1 / self.photos + self.residual_variance / cells

    def draw(self, rng: np.random.Generator, repetitions: int) -> NDArray[np.float64]:
        """Return tables with the true mean 0, shape (repetitions, seeds, photos)."""
        seed = np.sqrt(self.seed_variance) * rng.standard_normal((repetitions, self.seeds, 1))
        photo = rng.standard_normal((repetitions, 1, self.photos))
        noise = np.sqrt(self.residual_variance) * rng.standard_normal((repetitions, self.seeds, self.photos))
        table: NDArray[np.float64] = seed + photo + noise
        return table


@dataclass(frozen=True)
class Coverage:
    """Shares of intervals that contain the true mean, and the mean width of ours relative to the ideal interval."""

    ours: float
    width: float
    two_way: float
    over_seeds: float
    over_photos: float
    bootstrap: float


def half_widths(tables: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return half the width of every t interval of tables (R, S, N), each of shape (R,)."""
    seeds, photos = tables.shape[1:]
    variance, df = variance_of_mean(mean_squares(tables))
    two_way = special.stdtrit(df, 0.5 + LEVEL / 2) * np.sqrt(variance)
    over_seeds = _t_half_width(tables.mean(axis=2), seeds)
    over_photos = _t_half_width(tables.mean(axis=1), photos)
    return {
        "ours": np.maximum(two_way, over_seeds),
        "two_way": two_way,
        "over_seeds": over_seeds,
        "over_photos": over_photos,
    }


def _t_half_width(means: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return half the width of the t interval over the last axis of `means`, shape (R, count)."""
    half: NDArray[np.float64] = special.stdtrit(count - 1, 0.5 + LEVEL / 2) * means.std(axis=1, ddof=1) / count**0.5
    return half


def bootstrap_covers(tables: NDArray[np.float64], rng: np.random.Generator, resamples: int = 400) -> NDArray[np.bool_]:
    """Return whether the percentile interval of the crossed bootstrap covers 0, for each table.

    All tables share the resamples' counts, which do not depend on the values.
    """
    seeds, photos = tables.shape[1:]
    seed_counts = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
    photo_counts = rng.multinomial(photos, np.full(photos, 1 / photos), size=resamples) / photos
    means = np.einsum("rsb,bs->rb", tables @ photo_counts.T, seed_counts)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    return np.asarray((low <= 0) & (high >= 0))


def simulate(cell: Cell, repetitions: int, rng: np.random.Generator, *, bootstrap_repetitions: int = 0) -> Coverage:
    """Return the coverage of every interval in one setting."""
    covered = dict.fromkeys(("ours", "two_way", "over_seeds", "over_photos"), 0.0)
    width = 0.0
    for start in range(0, repetitions, CHUNK):
        tables = cell.draw(rng, min(CHUNK, repetitions - start))
        distance = np.abs(tables.mean(axis=(1, 2)))
        halves = half_widths(tables)
        width += float(halves["ours"].sum())
        for name, half in halves.items():
            covered[name] += float((distance <= half).sum())
    ideal = float(special.ndtri(0.5 + LEVEL / 2)) * np.sqrt(cell.variance_of_mean)
    shares = {name: count / repetitions for name, count in covered.items()}
    bootstrap = bootstrap_covers(cell.draw(rng, bootstrap_repetitions), rng).mean() if bootstrap_repetitions else np.nan
    return Coverage(width=width / repetitions / ideal, bootstrap=float(bootstrap), **shares)


def seed_variance(ratio: float, scale: str, seeds: int, photos: int) -> float:
    """Return the variance of a seed's effect for a ratio on one of the two scales."""
    return ratio if scale == "values" else ratio * seeds / photos


def print_table(scale: str, photos: int, repetitions: int, residual: float, rng: np.random.Generator) -> float:
    """Print the coverage over all ratios and numbers of seeds, and return our smallest."""
    what = "single values" if scale == "values" else "their parts of the variance of the mean"
    print(f"\nRatio of {what}; {photos} photographs; residual variance {residual:g}; {repetitions} repetitions")
    print("seeds  ratio   ours  width/ideal | two-way  seeds only  photos only  crossed bootstrap")
    smallest = 1.0
    for seeds in SEEDS:
        for ratio in RATIOS:
            cell = Cell(seeds, photos, seed_variance(ratio, scale, seeds, photos), residual)
            found = simulate(cell, repetitions, rng, bootstrap_repetitions=max(repetitions // 10, 100))
            smallest = min(smallest, found.ours)
            print(
                f"{seeds:5}  {ratio:5g}  {found.ours:.3f}  {found.width:11.2f} | {found.two_way:7.3f}  "
                f"{found.over_seeds:10.3f}  {found.over_photos:11.3f}  {found.bootstrap:17.3f}"
            )
    return smallest


def print_worst(photos: int, repetitions: int, rng: np.random.Generator) -> float:
    """Print our smallest coverage over all residual variances and both scales, and return the smallest of all."""
    print(f"\nOurs, the worst over residual variances {RESIDUALS} and both scales; {photos} photographs")
    print("seeds  " + "  ".join(f"{ratio:>6g}" for ratio in RATIOS))
    smallest = 1.0
    for seeds in SEEDS:
        worst = [
            min(
                simulate(
                    Cell(seeds, photos, seed_variance(ratio, scale, seeds, photos), residual), repetitions, rng
                ).ours
                for residual in RESIDUALS
                for scale in ("values", "mean")
            )
            for ratio in RATIOS
        ]
        smallest = min(smallest, *worst)
        print(f"{seeds:5}  " + "  ".join(f"{coverage:6.3f}" for coverage in worst))
    return smallest


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=10_000)
    parser.add_argument("--rng-seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.rng_seed)
    smallest = [print_table(scale, arguments.photos, arguments.repetitions, 1.0, rng) for scale in ("values", "mean")]
    smallest.append(print_worst(arguments.photos, arguments.repetitions, rng))
    print(f"\nSmallest coverage: {min(smallest):.3f} (nominal {LEVEL}; goal: at least 0.93)")


if __name__ == "__main__":
    main()

"""Coverage of the 95% intervals of contrasts of objectives (`chromalab.stats.mixed`) at the sizes of the studies.

    python -m tools.benchmarks.contrast_coverage --json results/benchmarks/contrast_coverage.json     # minutes

Values follow the model of `chromalab.stats.mixed` with normal effects. The true contrast is 0. `ratio` is the part
of the variance of the estimate that the runs cause, over the part that the photographs cause. The last objective may
diverge: the standard deviation of its runs is then `DIVERGENCE` times that of the others. `calm` is a contrast of two
other objectives, `wild` one of the last with another. With three seeds Bartlett's test misses a diverging objective
in a third of the studies, so that its own contrasts cover less than 95%.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chromalab.stats.mixed import agreeing, contrast
from tools import parser_of, write_record

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = ((3, 128), (8, 1000))
"""Seeds and photographs of the committed study, and of the planned one."""
RATIOS = (0.0, 0.3, 1.0, 3.0)
N_OBJECTIVES = 5
DIVERGENCE = 6.0
NAMES = tuple(f"objective{index}" for index in range(N_OBJECTIVES))
PAIRS = {"equal": (0, 1), "calm": (0, 1), "wild": (0, N_OBJECTIVES - 1)}


def draw(rng: np.random.Generator, run_sds: NDArray[np.float64], n_seeds: int, n_photos: int) -> NDArray[np.float64]:
    """Return values of every objective, shape (K, S, N); effects of photographs and the residual have variance 1."""
    shape = (len(run_sds), n_seeds, n_photos)
    common = run_sds[0] * rng.standard_normal((1, n_seeds, 1)) + 0.5 * rng.standard_normal((1, n_seeds, n_photos))
    runs = run_sds[:, None, None] * rng.standard_normal((*shape[:2], 1))
    photos = rng.standard_normal((shape[0], 1, n_photos))
    return np.asarray(common + runs + photos + rng.standard_normal(shape))


def simulate(
    rng: np.random.Generator, n_seeds: int, n_photos: int, ratio: float, case: str, repetitions: int
) -> dict[str, Any]:
    """Return the coverage, the width relative to that with known variances, and how often an objective is set apart."""
    run_sds = np.full(N_OBJECTIVES, np.sqrt(ratio * n_seeds / n_photos))
    run_sds[-1] *= 1.0 if case == "equal" else DIVERGENCE
    first, second = PAIRS[case]
    weights = {NAMES[first]: 1.0, NAMES[second]: -1.0}
    covered, width, apart = 0, 0.0, 0
    for _ in range(repetitions):
        tables = dict(zip(NAMES, draw(rng, run_sds, n_seeds, n_photos), strict=True))
        interval = contrast(tables, weights).interval()
        covered += interval.low <= 0 <= interval.high
        width += (interval.high - interval.low) / 2
        apart += len(agreeing({name: table.mean(axis=1) for name, table in tables.items()})) < N_OBJECTIVES
    variance = (run_sds[first] ** 2 + run_sds[second] ** 2) / n_seeds + 2 / n_photos + 2 / (n_seeds * n_photos)
    return {
        "seeds": n_seeds,
        "photos": n_photos,
        "ratio": ratio,
        "case": case,
        "coverage": covered / repetitions,
        "width": width / repetitions / (1.96 * np.sqrt(variance)),
        "set_apart": apart / repetitions,
    }


def main() -> None:
    """Simulate every setting, print a table and write the record."""
    parser = parser_of(__doc__)
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.rng_seed)
    rows = []
    print("seeds  photos  ratio  case   coverage  width/ideal  set apart")
    for (seeds, photos), ratio, case in product(SIZES, RATIOS, PAIRS):
        if ratio == 0 and case != "equal":
            continue
        row = simulate(rng, seeds, photos, ratio, case, arguments.repetitions)
        rows.append(row)
        print(
            f"{seeds:5}  {photos:6}  {ratio:5g}  {case:5}  {row['coverage']:8.3f}  {row['width']:11.2f}  "
            f"{row['set_apart']:9.2f}",
            flush=True,
        )
    settings = {"repetitions": arguments.repetitions, "objectives": N_OBJECTIVES, "divergence": DIVERGENCE}
    write_record(arguments.json, {**settings, "rows": rows})


if __name__ == "__main__":
    main()

"""How precise a planned study will be, by the records of a pilot.

For each contrast and metric of a plan, a pilot study with the same objectives says how much the difference varies from
run to run and from photo to photo. From that follow the width of the interval to expect, the smallest difference that
would be found, and how many seeds or photos the margin of the plan needs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError, UsageError
from chromalab.core.records import Record
from chromalab.evaluation.paired_tests import ALPHA, LEVEL
from chromalab.metrics.registry import METRICS
from chromalab.stats.intervals import Estimate
from chromalab.stats.mixed import components
from chromalab.stats.significance import detectable_difference
from chromalab.studies.analysis.differences import measure
from chromalab.studies.analysis.primary import contrast_tables, margin_in_unit
from chromalab.studies.load import load_study
from chromalab.studies.opening import open_study
from chromalab.studies.plan import PlanRecord
from chromalab.training.settings import RuntimeSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from chromalab.stats.mixed import ContrastComponents
    from chromalab.studies.analysis.differences import Measured
    from chromalab.studies.config import StudyConfig
    from chromalab.studies.load import LoadedStudy
    from chromalab.studies.plan import PlanSettings

POWER = 0.8
MOST_SEEDS, MOST_PHOTOS = 100, 100_000


class PrecisionRow(Record):
    """What to expect of one contrast under one metric.

    Attributes:
        margin: the largest difference that does not matter, in the metric's unit.
        run_sd: standard deviation of a run's mean from seed to seed.
        photo_sd: standard deviation of the difference from photo to photo.
        half_width: half the width of the 95% interval.
        detectable: smallest true difference that is found with 80% power at the first step of Holm's correction.
        seeds_needed: smallest number of seeds at which `detectable` is at most the margin, with the planned photos;
            None where 100 are not enough.
        photos_needed: the same for photos, with the planned seeds; None where 100,000 are not enough.
        reason: why the pilot says nothing about it.
    """

    metric: str
    first: str
    second: str
    margin: float | None = None
    run_sd: float | None = None
    photo_sd: float | None = None
    half_width: float | None = None
    detectable: float | None = None
    seeds_needed: int | None = None
    photos_needed: int | None = None
    reason: str | None = None


class PlannedPrecision(Record):
    """A frozen plan with what to expect of each of its comparisons."""

    plan: PlanRecord
    rows: list[PrecisionRow]


def freeze_with_precision(config: StudyConfig, out: Path, pilot: Path | None = None) -> PlannedPrecision:
    """Freeze the plan of a study in its folder, and estimate its precision if there is a pilot.

    Args:
        config: the study, which states a plan.
        out: its folder.
        pilot: folder of a finished study with the same objectives.

    Raises:
        ConfigError: the study states no plan.
        UsageError: the plan comes too late, or the pilot does not fit.
    """
    known = None if pilot is None else load_study(pilot)
    if config.plan is None or (plan := open_study(config, out, RuntimeSettings()).plan) is None:
        raise ConfigError(f"the study '{config.name}' states no plan; add the key 'plan' with contrasts and margins")
    return PlannedPrecision(plan=plan, rows=[] if known is None else pilot_precision(known, plan))


def pilot_precision(pilot: LoadedStudy, plan: PlanRecord) -> list[PrecisionRow]:
    """Return what to expect of every comparison of a frozen plan, by a finished study with the same objectives.

    Raises:
        UsageError: the pilot has another color space, or the plan has fewer than two seeds or photos.
    """
    space = plan.color_spaces[0]
    if space not in pilot.record.color_spaces:
        raise UsageError(f"the pilot has no runs in the color space {space}, only in {pilot.record.color_spaces[0]}")
    if min(len(plan.seeds), plan.n_test) < 2:
        raise UsageError(
            f"a plan of {len(plan.seeds)} seeds and {plan.n_test} test photos has no precision to estimate"
        )
    facts = [METRICS[name].facts for name in plan.margins]
    cells = {metric.name: measure(pilot, metric, space) for metric in facts}
    return precision_rows(cells, plan, n_seeds=len(plan.seeds), n_photos=plan.n_test)


def precision_rows(
    cells: Mapping[str, Measured], plan: PlanSettings, *, n_seeds: int, n_photos: int
) -> list[PrecisionRow]:
    """Return what to expect of every test of a plan.

    Args:
        cells: what each metric measured in the pilot.
        plan: contrasts and margins.
        n_seeds: planned number of seeds, at least 2.
        n_photos: planned number of test photos, at least 2.
    """
    alpha = ALPHA / (len(plan.contrasts) * len(plan.margins))
    rows = []
    for pair in plan.contrasts:
        for metric, margin in plan.margins.items():
            row = PrecisionRow(metric=metric, first=pair[0], second=pair[1])
            tables = contrast_tables(cells[metric], pair) if metric in cells else None
            if tables is None or min(next(iter(tables.values())).shape) < 2:
                why = "the pilot has fewer than two seeds or photos of both objectives under this metric"
                rows.append(row.model_copy(update={"reason": why}))
                continue
            parts = components(tables, dict(zip(pair, (1.0, -1.0), strict=True)))
            width = margin_in_unit(margin, cells[metric])
            rows.append(row.model_copy(update=_expected(parts, width, n_seeds, n_photos, alpha)))
    return rows


def _expected(
    parts: ContrastComponents, margin: float | None, n_seeds: int, n_photos: int, alpha: float
) -> dict[str, object]:
    def found(seeds: int, photos: int) -> float:
        estimate = Estimate(0.0, (parts.standard_error(seeds, photos),), n_seeds=seeds, n_photos=photos)
        return detectable_difference(estimate, alpha=alpha, power=POWER)

    needed: dict[str, object] = {}
    if margin is not None:
        needed = {
            "seeds_needed": _smallest(lambda seeds: found(seeds, n_photos) <= margin, MOST_SEEDS),
            "photos_needed": _smallest(lambda photos: found(n_seeds, photos) <= margin, MOST_PHOTOS),
        }
    return {
        "margin": margin,
        "run_sd": math.sqrt(parts.runs / 2),
        "photo_sd": math.sqrt(parts.photos),
        "half_width": parts.half_width(n_seeds, n_photos, LEVEL),
        "detectable": found(n_seeds, n_photos),
        **needed,
    }


def _smallest(is_enough: Callable[[int], bool], most: int) -> int | None:
    """Return the smallest count from 2 to `most` that is enough, by bisection; None where `most` is not."""
    if not is_enough(most):
        return None
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high

"""The primary family of a study: the few comparisons that decide its question, stated before the runs.

Each contrast of two objectives is tested under each metric with the mixed model of `chromalab.stats.mixed`. Three
hypotheses are tested, and each of them is corrected by Holm over the whole family:

- *no difference*;
- *beyond the margin*, by two one-sided tests: rejecting it shows that the objectives are practically equal;
- *within the margin*: rejecting it shows a difference that matters.

The findings of a study without a frozen plan are exploratory: `default_plan` chooses its comparisons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.evaluation.paired_tests import ALPHA, LEVEL
from chromalab.evaluation.samples import PhotoSample
from chromalab.stats.mixed import agreeing, contrast
from chromalab.stats.significance import equivalence_p, holm, minimal_effect_p
from chromalab.studies.analysis.differences import TOO_FEW, enough
from chromalab.studies.plan import PlanSettings
from chromalab.studies.records import Finding, PrimaryRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from chromalab.stats.intervals import Estimate
    from chromalab.studies.analysis.differences import Measured
    from chromalab.studies.plan import Margin

CHAPTER_PLAN = PlanSettings(
    questions=["Is the choice of the objective crucial?"],
    contrasts=[("l1", "l2"), ("perceptual", "l2"), ("wgan_l2", "l2"), ("wgan_perceptual", "perceptual")],
    margins={
        "psnr": 0.3,
        "delta_e_2000": 0.5,
        "ssim": 0.01,
        "lpips_alex": 0.01,
        "color_perceptual": 0.2,
        "chroma": "10%",
    },
)
"""The chapter's question as a plan. The margins are this project's choice: about the smallest differences that people
who know the metrics would call worth mentioning."""


def primary_rows(cells: Mapping[str, Measured], plan: PlanSettings) -> list[PrimaryRow]:
    """Test every contrast of a plan under every metric of it, in one color space.

    Args:
        cells: what each metric measured in the color space.
        plan: contrasts and margins. Tests that lack data count in Holm's correction all the same.
    """
    rows = [
        _tested(cells[metric], pair, margin) if metric in cells else _untested(cells, metric, pair)
        for pair in plan.contrasts
        for metric, margin in plan.margins.items()
    ]
    return _corrected(rows)


def default_plan(objectives: Sequence[str], metrics: Sequence[str]) -> PlanSettings | None:
    """Return the comparisons of a study that states none, or None if there is nothing to compare.

    They are the chapter's contrasts, as far as the study has the objectives and metrics. Objectives that are in none of
    them are compared with `l2`, or with the first objective of a study without it.
    """
    margins = {metric: margin for metric, margin in CHAPTER_PLAN.margins.items() if metric in metrics}
    contrasts = [pair for pair in CHAPTER_PLAN.contrasts if set(pair) <= set(objectives)]
    covered = {name for pair in contrasts for name in pair}
    baseline = "l2" if "l2" in objectives else objectives[0]
    contrasts += [(name, baseline) for name in objectives if name not in covered and name != baseline]
    if not contrasts or not margins:
        return None
    return CHAPTER_PLAN.model_copy(update={"contrasts": contrasts, "margins": margins})


def finding_of(row: PrimaryRow) -> Finding:
    """Return what the corrected p values of a test show.

    >>> facts = {"metric": "psnr", "color_space": "lab", "first": "l1", "second": "l2"}
    >>> finding_of(PrimaryRow(**facts, p_holm=0.2, p_equivalence_holm=0.01, p_beyond_holm=1.0))
    'practically equal'
    """
    different, equal, beyond = (
        p is not None and p < ALPHA for p in (row.p_holm, row.p_equivalence_holm, row.p_beyond_holm)
    )
    if different and beyond:
        return "differs by more than matters"
    if different:
        return "differs by less than matters" if equal else "differs"
    return "practically equal" if equal else "open"


def _tested(cell: Measured, pair: tuple[str, str], margin: Margin) -> PrimaryRow:
    first, second = pair
    row = PrimaryRow(metric=cell.facts.name, color_space=cell.color_space, first=first, second=second)
    width = margin_in_unit(margin, cell)
    absent = [name for name in pair if name not in cell.samples]
    if absent:
        why = "; ".join(f"{name}: {cell.reasons.get(name, 'no value')}" for name in absent)
        return row.model_copy(update={"margin": width, "reason": why})
    tables = contrast_tables(cell, pair)
    if width is None or tables is None or next(iter(tables.values())).size < 2:
        why = "the ground truth has no value to take a share of" if width is None else "no seed is finished for both"
        return row.model_copy(update={"margin": width, "reason": why})
    estimate, pooled = _estimate(tables, pair)
    interval = estimate.interval(LEVEL)
    return row.model_copy(
        update={
            "mean": estimate.mean,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "df": interval.error.df,
            "margin": width,
            "p": estimate.p,
            "p_equivalence": equivalence_p(estimate, width),
            "p_beyond": minimal_effect_p(estimate, width),
            "pooled": pooled,
            "n_photos": estimate.n_photos,
            "n_seeds": estimate.n_seeds,
            "reason": None if enough(estimate.n_seeds, estimate.n_photos) else TOO_FEW,
        }
    )


def _untested(cells: Mapping[str, Measured], metric: str, pair: tuple[str, str]) -> PrimaryRow:
    space = next(iter(cells.values())).color_space if cells else "-"
    return PrimaryRow(
        metric=metric, color_space=space, first=pair[0], second=pair[1], reason="no finished run has this metric"
    )


def contrast_tables(cell: Measured, pair: tuple[str, str]) -> dict[str, NDArray[np.float64]] | None:
    """Return the values of both objectives, and of those that help to estimate how much runs vary, by objective.

    They are of the seeds that both objectives have and of the photos that count, each of shape (S, N). None where an
    objective has no value for single photos, or no seed is finished for both.
    """
    samples = {name: sample for name, sample in cell.samples.items() if isinstance(sample, PhotoSample)}
    if not set(pair) <= set(samples):
        return None
    seeds = [seed for seed in samples[pair[0]].seeds if seed in samples[pair[1]].seeds]
    if not seeds:
        return None
    complete = {name: sample.over(seeds) for name, sample in samples.items() if set(seeds) <= set(sample.seeds)}
    return {name: sample.values[:, sample.kept] for name, sample in complete.items()}


def _estimate(tables: Mapping[str, NDArray[np.float64]], pair: tuple[str, str]) -> tuple[Estimate, list[str]]:
    """Return the contrast of a pair, and the objectives over which the variance of its runs was pooled."""
    estimate = contrast(tables, dict(zip(pair, (1.0, -1.0), strict=True)))
    if estimate.n_seeds == 1:
        return estimate, []
    return estimate, list(agreeing({name: table.mean(axis=1) for name, table in tables.items()}))


def margin_in_unit(margin: Margin, cell: Measured) -> float | None:
    """Return a margin in the metric's unit; a percentage is one of the mean of the ground truth."""
    if not isinstance(margin, str):
        return margin
    truth = cell.mean("truth")
    return None if not truth else abs(truth) * float(margin.removesuffix("%")) / 100


def _corrected(rows: Sequence[PrimaryRow]) -> list[PrimaryRow]:
    """Correct each of the three p values over all rows, and say what they show."""
    names = ("p", "p_equivalence", "p_beyond")
    usable = [row.p is not None and row.reason is None for row in rows]
    columns = {
        name: holm([getattr(row, name) if use else 1.0 for row, use in zip(rows, usable, strict=True)])
        for name in names
    }
    return [
        _with_finding(row, {f"{name}_holm": float(columns[name][index]) for name in names}) if usable[index] else row
        for index, row in enumerate(rows)
    ]


def _with_finding(row: PrimaryRow, corrected: Mapping[str, float]) -> PrimaryRow:
    row = row.model_copy(update=dict(corrected))
    return row.model_copy(update={"finding": finding_of(row)})

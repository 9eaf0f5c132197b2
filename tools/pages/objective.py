"""The page *Does the objective matter?*: from the records of the studies in results/objective, analyzed anew."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.core.wording import listing
from chromalab.metrics.registry import METRICS, metric_facts
from chromalab.report.study.answer import answer
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.load import load_study
from tools import RESULTS
from tools.pages.exploration import MAIN, STUDIES, exploration
from tools.pages.markdown import render, table
from tools.pages.studies import Results, study_tables
from tools.pages.verdicts import PAIR_VERDICTS, level_verdict, pair_verdict, quantity, worse_than_gray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chromalab.studies.records import Analysis, DifferenceRow

SHOWN = (
    "psnr", "ssim", "delta_e_2000", "lpips_alex", "lpips_squeeze", "perceptual_lite0", "color_perceptual",
    "colorfulness_difference", "frechet_lite0",
)  # fmt: skip
"""Metrics with a better side that figures and tables of the page show."""

PAIRS = (("perceptual", "l1"), ("perceptual", "l2"), ("wgan_l2", "l2"), ("wgan_perceptual", "perceptual"))
"""Pairs of objectives that the page lists; the forest plots show all."""

VIVID = (("wgan_l2", "l1"), ("wgan_l2", "l2"), ("perceptual", "l1"), ("perceptual", "l2"))
LEADS = ("lpips_squeeze", "lpips_alex", "color_perceptual")


@dataclass(frozen=True)
class Checkpoint:
    """The analysis of the study at an intermediate checkpoint or at the end.

    Attributes:
        crops: number of crops that every network was trained on.
        analysis: analysis of the metrics measured at this checkpoint.
    """

    crops: int
    analysis: Analysis


@cache
def checkpoints() -> tuple[Checkpoint, ...]:
    """Return the study at every intermediate checkpoint, the end last."""
    found = []
    shares = Results.load(MAIN).study.record.config.get("looks", [])
    for share in [*(shares if isinstance(shares, list) else []), None]:
        try:
            study = load_study(RESULTS / MAIN, share=share)
        except UsageError:
            continue
        crops = next(iter(study.runs.values())).record.pictures
        found.append(Checkpoint(crops, analyze(study, metric_facts())))
    return tuple(found)


def objective_page() -> str:
    """Return the page."""
    results = Results.load(MAIN)
    analysis = results.analysis
    return render(
        "objective.md",
        lead=results.lead,
        answer=answer(analysis, results.study.record, [run.record for run in results.study.runs.values()]),
        pairs=table(("comparison", *PAIR_VERDICTS), [pair_row(analysis, *pair) for pair in PAIRS]),
        claims={row.id: row for row in analysis.claims},
        vividness="; ".join(vividness(analysis, *pair) for pair in VIVID),
        leads=listing(f"{_lead(results, name, 'l2', 'perceptual')} under {METRICS[name].label}" for name in LEADS),
        chroma=chroma(results),
        gray=beside_gray(analysis),
        spread=widest_spread(results),
        n_seeds=len(analysis.seeds),
        learning=learning(checkpoints()),
        ablations="\n\n".join(exploration()),
        tables="\n\n".join(study_tables(results)),
        main=MAIN,
        others=",".join(STUDIES),
    )


def changed_orders(found: Sequence[Checkpoint]) -> list[str]:
    """Return the labels of the metrics under which the order of the means differs between checkpoints."""
    return [METRICS[name].label for name in SHOWN if len({tuple(order(each.analysis, name)) for each in found}) > 1]


def difference(analysis: Analysis, metric: str, one: str, other: str) -> DifferenceRow | None:
    """Return the paired comparison of two objectives in the order of the analysis."""
    rows = (row for row in analysis.differences if row.metric == metric and {row.first, row.second} == {one, other})
    return next(rows, None)


def pair_row(analysis: Analysis, one: str, other: str) -> tuple[str, ...]:
    """Return the differences of two objectives under each metric, grouped by verdict."""
    groups: dict[str, list[str]] = {verdict: [] for verdict in PAIR_VERDICTS}
    for metric in SHOWN:
        row = difference(analysis, metric, one, other)
        if row is not None and (verdict := pair_verdict(row, one)) in groups:
            groups[verdict].append(f"{METRICS[metric].label} {interval(row, one)}")
    return (f"`{one}` compared with `{other}`", *(", ".join(found) or "–" for found in groups.values()))


def interval(row: DifferenceRow, one: str) -> str:
    """Return the difference `one` minus the other objective with its interval."""
    if row.mean is None or row.ci_low is None or row.ci_high is None:
        return "–"
    if row.first == one:
        return f"{row.mean:+.3g} [{row.ci_low:.3g}, {row.ci_high:.3g}]"
    return f"{-row.mean:+.3g} [{-row.ci_high:.3g}, {-row.ci_low:.3g}]"


def vividness(analysis: Analysis, one: str, other: str) -> str:
    """Return the verdict on the colorfulness of one objective beside another."""
    row = difference(analysis, "colorfulness", one, other)
    if row is None:
        return f"`{one}` compared with `{other}` not measured"
    return f"`{one}` compared with `{other}` **{level_verdict(row, one)}** ({interval(row, one)})"


def _lead(results: Results, metric: str, first: str, second: str) -> str:
    """Return how much better `second` is than `first`, in percent of the span."""
    row = difference(results.analysis, metric, first, second)
    if row is None or row.mean is None or row.ci_low is None or row.ci_high is None or not row.span:
        return "no value"
    if not row.is_span_clear:
        return "no percentage, because the span is not clear beside its noise"
    sign = -1 if (METRICS[metric].direction == "higher") == (row.first == first) else 1
    low, high = sorted(sign * 100 * end / row.span for end in (row.ci_low, row.ci_high))
    return f"{sign * 100 * row.mean / row.span:.0f}% [{low:.0f}, {high:.0f}]"


def chroma(results: Results) -> dict[str, str]:
    """Return each objective's mean chroma as a share of the photographs', and how many objectives are below it."""
    truth = results.cell("chroma", "truth")
    means = {name: results.cell("chroma", name) for name in results.analysis.objectives}
    if truth is None or not truth.mean:
        return {"paler": "no objective", "shares": "not measured"}
    shares = {
        name: 100 * row.mean / truth.mean for name, row in means.items() if row is not None and row.mean is not None
    }
    paler = sum(share < 100 for share in shares.values())
    return {
        "paler": quantity(paler, len(shares), "objectives"),
        "shares": listing(f"{share:.0f}% (`{name}`)" for name, share in shares.items()),
    }


def beside_gray(analysis: Analysis) -> dict[str, str]:
    """Return the objectives whose mean is worse than that of gray photographs, with the metrics."""
    found = worse_than_gray(analysis)
    listed = "; ".join(f"`{name}` under {listing(labels)}" for name, labels in found.items())
    count = quantity(len(found), len(analysis.objectives), "objectives")
    return {"count": count[0].upper() + count[1:], "listed": listed or "none"}


def widest_spread(results: Results, metric: str = "psnr") -> dict[str, str]:
    """Return the objective whose seeds differ most under a metric, with their means."""
    rows = [
        row for name in results.analysis.objectives if (row := results.cell(metric, name)) and len(row.seed_means) > 1
    ]
    widest = max(rows, key=lambda row: statistics.stdev(row.seed_means))
    return {"objective": widest.objective, "means": listing(f"{mean:.1f}" for mean in sorted(widest.seed_means))}


def learning(found: Sequence[Checkpoint]) -> dict[str, str | int]:
    """Return the orders of objectives at each checkpoint, and what changed between them."""
    moved = changed_orders(found)
    best = [
        METRICS[name].label
        for name in SHOWN
        if len({names[0] for each in found if (names := order(each.analysis, name))}) > 1
    ]
    return {
        "crops": listing(f"{each.crops:,}" for each in found),
        "orders": table(("metric", *(f"{each.crops:,} crops" for each in found)), _orders(found)),
        "changed": _share_of_metrics(moved),
        "best": _share_of_metrics(best),
        "reversals": len(reversals(found[0].analysis, found[-1].analysis)),
    }


def _share_of_metrics(labels: Sequence[str]) -> str:
    return quantity(len(labels), len(SHOWN), "metrics") + (f" ({listing(labels)})" if labels else "")


def _orders(found: Sequence[Checkpoint]) -> Iterator[tuple[str, ...]]:
    for name in SHOWN:
        orders = [order(each.analysis, name) for each in found]
        if all(orders):
            yield (METRICS[name].label, *(", ".join(names) for names in orders))


def order(analysis: Analysis, metric: str) -> list[str]:
    """Return the objectives by their means under a metric, the best first."""
    rows = [row for row in analysis.summary if row.metric == metric and row.n_seeds and row.mean is not None]
    sign = -1 if METRICS[metric].direction == "higher" else 1
    return [row.objective for row in sorted(rows, key=lambda row: sign * (row.mean or 0.0))]


def reversals(first: Analysis, last: Analysis) -> list[DifferenceRow]:
    """Return the comparisons with a significant winner in both analyses that differ in the winner."""
    decided = {(row.metric, row.first, row.second): row.winner for row in first.differences if row.winner}
    return [
        row
        for row in last.differences
        if row.winner and decided.get((row.metric, row.first, row.second), row.winner) != row.winner
    ]

"""The page *Does the objective matter?*: made from the records of the study in results/objective, analyzed anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.metrics.registry import METRICS, metric_facts
from chromalab.report.study.headline import headline
from chromalab.studies.analysis.analyze import analyze
from chromalab.studies.load import load_study
from tools import RESULTS
from tools.pages.exploration import MAIN, STUDIES, exploration, turned
from tools.pages.markdown import page, table
from tools.pages.results import Results, study_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chromalab.studies.records import Analysis, DifferenceRow

SHOWN = (
    "psnr", "ssim", "delta_e_2000", "lpips_alex", "lpips_squeeze", "perceptual_lite0", "color_perceptual",
    "colorfulness_difference", "frechet_lite0",
)  # fmt: skip
"""Metrics with a better side that figures and tables of the page show."""

JUDGES = ("lpips_squeeze", "lpips_alex", "color_perceptual")

RERUN = f"""
```sh
chromalab compare run results/{MAIN}/study.yaml --data PHOTOS --test EVAL --test samples \\
    --out results/{MAIN}      # and so for results/objective/{{{",".join(STUDIES)}}}
make results      # every table and figure of this page, from the records
```

`PHOTOS` and `EVAL` are described at the head of the study file. A run whose record is in the folder is not repeated, so
the same command adds what is missing on any machine; a run whose folder was deleted is trained again, bit for bit on
the same kind of processor with the same number of threads.
""".strip()


@dataclass(frozen=True)
class Look:
    """The study as it was on the way.

    Attributes:
        pictures: crops that every network had seen.
        analysis: what was measured then.
    """

    pictures: int
    analysis: Analysis


@cache
def looks() -> tuple[Look, ...]:
    """Return the study at every look, the end last."""
    found = []
    shares = Results.load(MAIN).study.record.config.get("looks", [])
    for share in [*(shares if isinstance(shares, list) else []), None]:
        try:
            study = load_study(RESULTS / MAIN, look=share)
        except UsageError:
            continue
        pictures = next(iter(study.runs.values())).record.pictures
        found.append(Look(pictures, analyze(study, metric_facts())))
    return tuple(found)


def objective_page() -> str:
    """Return the page."""
    results = Results.load(MAIN)
    told = headline(results.analysis, results.study.record, [run.record for run in results.study.runs.values()])
    parts = (
        *(
            "## The answer",
            f"**{told.answer}** " + " ".join(told.reasons),
            _order_changes(),
            "\n".join(f"- {limit}" for limit in told.limits),
        ),
        *("## What it says", "\n".join(f"- {line}" for line in _reading(results))),
        *(
            "## To look at",
            GRID,
            "![Sample photographs in the colors of every objective](../images/objective_grid.jpg)",
        ),
        *("## Differences", FOREST, "![Forest plots of paired differences](../images/objective_forest.svg)"),
        *("## Vivid or right", TRADE, "![Chroma against error, a mark for each run](../images/objective_tradeoff.svg)"),
        *("## Does the order change on the way?", *_learning()),
        *("## And otherwise? Spaces, networks, rates, photographs, lengths (exploratory)", *exploration()),
        *("## Claims, and all numbers", *study_tables(results)),
        *("## Run it again", RERUN),
    )
    return page("Does the objective matter?", results.lead, "\n\n".join(parts))


def _order_changes() -> str:
    """Say in the headline whether the order of objectives depends on how they are trained."""
    found = looks()
    moved = [METRICS[name].label for name in SHOWN if len({tuple(order(look.analysis, name)) for look in found}) > 1]
    changed = turned("l2", "perceptual")
    return (
        f"**The order of objectives depends on the training.** On the way from {found[0].pictures:,} to "
        f"{found[-1].pictures:,} crops the order of the means changed under {len(moved)} of {len(SHOWN)} metrics; with "
        "another color space, network, learning rate, number of photographs or length (one seed each), LPIPS and L2 "
        + (
            f"change places somewhere under {_listed([METRICS[name].label for name in changed])}."
            if changed
            else "change places under none."
        )
    )


def _reading(results: Results) -> Iterator[str]:
    """Say what the numbers come to; every number is the records'."""
    yield (
        "**LPIPS as the objective is better before a judge that nothing was trained on, and not before every judge.** "
        f"LPIPS-Alex puts it before L1 ({_gap(results, 'lpips_alex', 'l1', 'perceptual')}) and L2 "
        f"({_gap(results, 'lpips_alex', 'l2', 'perceptual')}), the perceptual color distance before L2 "
        f"({_gap(results, 'color_perceptual', 'l2', 'perceptual')}). SSIM puts it behind both "
        f"({_gap(results, 'ssim', 'l2', 'perceptual')} for L2). PSNR and CIEDE2000 tell none of the three apart."
    )
    yield (
        "**The judge that it was trained on (C6).** LPIPS's lead over L2, in percent of the span from the gray "
        "baseline to the best objective, each interval by itself: "
        + _listed([f"{_lead(results, name, 'l2', 'perceptual')} for {METRICS[name].label}" for name in JUDGES])
        + ". LPIPS-Squeeze is what it was trained on; LPIPS-Alex shares form and human data with it, and perceptual "
        "color looks through the network that every encoder started from. No judge is wholly independent."
    )
    yield (
        "**C2 holds for half of it.** L2 with a Wasserstein critic is more colorful than L1, L2 and LPIPS "
        f"({_gap(results, 'colorfulness', 'l2', 'wgan_l2')} against L2); LPIPS alone is not more vivid than L2 "
        f"({_gap(results, 'colorfulness', 'l2', 'perceptual')})."
    )
    yield (
        "**LPIPS with a critic came out badly here.** Its seeds lie far apart (PSNR "
        f"{_seeds(results, 'psnr', 'wgan_perceptual')}), and its means are behind photographs without any color in "
        "PSNR, SSIM and CIEDE2000. The critic's weight and rate are this project's choice: others may be another story."
    )
    yield (
        "**Everything is paler than the photographs**: mean chroma is "
        + _listed([f"{_chroma(results, name):.0f}% ({name})" for name in results.analysis.objectives])
        + " of theirs."
    )
    yield (
        "Beside the chapter: it found LPIPS slightly better under most metrics, and both LPIPS and WGAN more vivid, "
        "with one training each. With three seeds and corrected tests the first is not shown, and the second for WGAN "
        "alone. Not the same thing: there VGG, 256 px and long trainings, here a small network, 96 px and three looks "
        "at each photograph."
    )
    yield (
        "Unknown: what people prefer, what longer training does, and what a better critic would. Three seeds are few: "
        "many intervals are wide because two degrees of freedom are. MS-SSIM needs photographs of 161 px and has no "
        "value here."
    )


def _gap(results: Results, metric: str, first: str, second: str) -> str:
    """Return the difference `second - first` with its interval, and whether it is certain."""
    row = next(r for r in results.analysis.differences if (r.metric, r.first, r.second) == (metric, first, second))
    if row.mean is None or row.ci_low is None or row.ci_high is None:
        return "no value"
    certain = "" if row.winner else ", not certain"
    return f"{-row.mean:+.3g} [{-row.ci_high:.3g}, {-row.ci_low:.3g}]{certain}"


def _lead(results: Results, metric: str, first: str, second: str) -> str:
    """Return how far `second` is before `first`, in percent of the span."""
    row = next(r for r in results.analysis.differences if (r.metric, r.first, r.second) == (metric, first, second))
    if row.mean is None or row.ci_low is None or row.ci_high is None or not row.span:
        return "no value"
    sign = -1 if METRICS[metric].direction == "higher" else 1
    low, high = sorted(sign * 100 * end / row.span for end in (row.ci_low, row.ci_high))
    return f"{sign * 100 * row.mean / row.span:.0f}% [{low:.0f}, {high:.0f}]"


def _seeds(results: Results, metric: str, objective: str) -> str:
    cell = results.cell(metric, objective)
    return _listed([f"{value:.1f}" for value in sorted(cell.seed_means)]) if cell is not None else "–"


def _chroma(results: Results, objective: str) -> float:
    own, truth = results.cell("chroma", objective), results.cell("chroma", "truth")
    return 100 * (own.mean or 0.0) / truth.mean if own is not None and truth is not None and truth.mean else 0.0


GRID = (
    "Seven of the built-in sample photographs at the size that the networks were trained at, none of them trained on, "
    "by the networks of seed 0. Left the gray photograph that every network saw, right the truth. Credits: `chromalab "
    "list samples`."
)
FOREST = (
    "Every pair of objectives on the same photographs and seeds, in percent of the span from the gray baseline to the "
    "best objective, with 95% intervals over photographs and seeds."
)
TRADE = (
    "Each mark is one training: how vivid its colors are beside the photographs' own, and how wrong. The line is the "
    "error of photographs without any color."
)
ORDERS = "The objectives by their means, the best first:"


def _learning() -> Iterator[str]:
    found = looks()
    if len(found) < 2:
        yield "No run was looked at on its way yet."
        return
    yield (
        "Objectives converge at different speeds, so an order found at one length of training may be another at the "
        f"next. Every network was measured after {_listed([f'{look.pictures:,}' for look in found])} crops; the "
        "learning rate falls along a cosine over the whole, so the first looks are at networks in motion."
    )
    yield "![Means of four metrics on the way](../images/objective_learning.svg)"
    yield ORDERS
    yield table(("metric", *(f"{look.pictures:,} crops" for look in found)), _orders(found))
    yield _reversals(found)


def _orders(found: Sequence[Look]) -> Iterator[tuple[str, ...]]:
    for name in SHOWN:
        orders = [order(look.analysis, name) for look in found]
        if all(orders):
            yield (METRICS[name].label, *(", ".join(names) for names in orders))


def order(analysis: Analysis, metric: str) -> list[str]:
    """Return the objectives by their means under a metric, the best first."""
    rows = [row for row in analysis.summary if row.metric == metric and row.n_seeds and row.mean is not None]
    sign = -1 if METRICS[metric].direction == "higher" else 1
    return [row.objective for row in sorted(rows, key=lambda row: sign * (row.mean or 0.0))]


def reversals(first: Analysis, last: Analysis) -> list[DifferenceRow]:
    """Return the comparisons that one look decided for one objective and the other look for the other."""
    decided = {(row.metric, row.first, row.second): row.winner for row in first.differences if row.winner}
    return [
        row
        for row in last.differences
        if row.winner and decided.get((row.metric, row.first, row.second), row.winner) != row.winner
    ]


def _reversals(found: Sequence[Look]) -> str:
    changed = [METRICS[name].label for name in SHOWN if len({tuple(order(look.analysis, name)) for look in found}) > 1]
    best = [
        METRICS[name].label
        for name in SHOWN
        if len({names[0] for look in found if (names := order(look.analysis, name))}) > 1
    ]
    turned = reversals(found[0].analysis, found[-1].analysis)
    said = [
        f"The order of the means changed under {len(changed)} of {len(SHOWN)} metrics"
        + (f" ({_listed(changed)})" if changed else "")
        + ", the best objective under "
        + (f"{len(best)} ({_listed(best)})." if best else "none."),
        f"Of all comparisons, {len(turned)} were certain (after Holm) one way at the first look and the other "
        "way at the end"
        + (
            ": " + "; ".join(f"{METRICS[row.metric].label}, {row.first} and {row.second}" for row in turned)
            if turned
            else ""
        )
        + ".",
    ]
    return " ".join(said)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

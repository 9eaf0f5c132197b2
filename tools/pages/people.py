"""The page of metrics against human ratings, from its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.records import Record
from chromalab.core.wording import listing
from chromalab.evaluation.people import TAPS, PeopleRecord
from chromalab.report.people import label_of, ranked
from tools import RESULTS
from tools.pages.markdown import render, table
from tools.pages.verdicts import (
    NO_DIFFERENCE,
    SAME_CORRELATION,
    compare_correlations,
    correlation_strength,
    excludes_zero,
    interval_verdict,
    quantity,
)
from tools.release.color_metric import ColorMetricRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chromalab.evaluation.people import PeopleRow
    from tools.release.color_metric import Difference

RECORD = RESULTS / "people" / "hecd.json"
UNSEEN = RESULTS / "people" / "unseen_scenes.yaml"
TRIAL = RESULTS / "people" / "color_metric.json"
FITTED = "color_perceptual"
TRIAL_LABELS = {
    "lite0_two_weights": "Two weights, Lite0",
    "lite1_two_weights": "Two weights, Lite1",
    "color_perceptual_refitted": "Perceptual color, refitted",
    "lite0_tap5": "Lite0, tap 5 alone",
    "lite0_unshifted": "Lite0, tap 5 without the mean shift",
    "lite1_tap5": "Lite1, tap 5 alone",
    "lite1_unshifted": "Lite1, tap 5 without the mean shift",
    "shift": "Mean shift alone",
}
SUBSETS = {
    "all": "all",
    "not_designed_on": "scenes not designed on",
    "synthetic": "synthetic",
    "colorizers": "colorizers",
}


class UnseenScenes(Record):
    """Rank correlations with people on scenes that no metric was fitted to.

    Attributes:
        origin: who measured them, and why they cannot be regenerated.
        dataset: where the scenes come from.
        n_scenes: number of scenes.
        n_images: number of rated recolorings.
        statistic: which correlation.
        srcc: correlation of each metric.
        colorizers_highest: highest correlation of any metric on the outputs of real colorizers.
    """

    origin: str
    dataset: str
    n_scenes: int
    n_images: int
    statistic: str
    srcc: dict[str, float]
    colorizers_highest: float


def people_page() -> str:
    """Return the page: scenes that no metric was fitted to first, then the scenes of the committed record."""
    record, unseen, trial = PeopleRecord.load(RECORD), UnseenScenes.load(UNSEEN), trial_record()
    head = ("metric", "SRCC, pooled", "SRCC within scenes", "KRCC", "PLCC", "pairs", "colorizers: SRCC")
    return render(
        "people.md",
        record=record,
        unseen=unseen,
        **unseen_summary(unseen, trial),
        margin=SAME_CORRELATION,
        unseen_table=table(("metric", "SRCC"), [(label_of(name), f"{srcc:.3f}") for name, srcc in unseen.srcc.items()]),
        open=quantity(sum(not _found(row) for row in record.real.values()), len(record.real), "metrics"),
        taps=[_number(record.all[name].srcc) for name in TAPS],
        vivid={name: correlation_strength(record.all[name].srcc or 0.0) for name in ("colorfulness", "chroma")},
        metrics=table(head, _rows(record)),
        agreement=_agreement(record),
        **(trial_section(trial) if trial else {"trial": None}),
    )


def trial_record() -> ColorMetricRecord | None:
    """Return the record of the metric with two weights, if there is one."""
    return ColorMetricRecord.load(TRIAL) if TRIAL.is_file() else None


def unseen_summary(unseen: UnseenScenes, trial: ColorMetricRecord | None) -> dict[str, str]:
    """Return the numbers and verdicts of the page's first sentences; both records count for outputs of colorizers."""
    measured = [row.mean["colorizers"] for row in trial.metrics.values()] if trial else []
    highest = max([unseen.colorizers_highest, *measured])
    fitted = unseen.srcc[FITTED]
    others = {label_of(name): srcc for name, srcc in unseen.srcc.items() if name != FITTED}
    return {
        "fitted": f"{fitted:.3f}",
        "strength": correlation_strength(fitted),
        "comparison": compare_correlations(fitted, others),
        "colorizers": f"{highest:.2f}",
        "colorizers_strength": correlation_strength(highest),
    }


def trial_section(trial: ColorMetricRecord) -> dict[str, object]:
    """Return the numbers, verdicts and tables on the metric with two weights."""
    harder = [name for name, row in trial.metrics.items() if row.gap.low > 0]
    best = max(trial.metrics, key=lambda name: trial.metrics[name].mean["colorizers"])
    head = ("metric", *SUBSETS.values(), "synthetic minus colorizers")
    compared = [name for name, row in trial.metrics.items() if row.against]
    return {
        "trial": trial,
        "n_new": len(trial.metrics[FITTED].scenes["not_designed_on"]),
        "decision": decision(trial),
        "candidates": candidate_lines(trial),
        "harder": quantity(len(harder), len(trial.metrics), "distances"),
        "best_on_colorizers": _trial_label(best),
        "best_value": f"{trial.metrics[best].mean['colorizers']:.2f}",
        "best_strength": correlation_strength(trial.metrics[best].mean["colorizers"]),
        "trial_table": table(head, _trial_rows(trial)),
        "trial_differences": table(
            ("metric minus another", *SUBSETS.values()), [row for name in compared for row in _against(trial, name)]
        ),
    }


def decision(trial: ColorMetricRecord) -> str:
    """Return whether a candidate replaces the metric."""
    winners = [_trial_label(name) for name, candidate in trial.candidates.items() if candidate.replaces]
    verb = "replace" if len(winners) > 1 else "replaces"
    return f"{listing(winners) if winners else 'No candidate'} {verb} `{FITTED}`"


def candidate_lines(trial: ColorMetricRecord) -> list[str]:
    """Return a sentence on each candidate: its correlation, its difference to today's metric and its weights."""
    lines = []
    for name, candidate in trial.candidates.items():
        found = candidate.against_today
        word = interval_verdict(found.low, found.high, "higher")
        verdict = word if word == NO_DIFFERENCE else f"{word} than `{FITTED}`"
        weights = candidate.weights
        lines.append(
            f"{_trial_label(name)}: {trial.metrics[name].mean['all']:.3f}, {verdict} ({_signed(found)}). Fitted to all "
            f"scenes, one unit of shift has {weights.shift / weights.features:.4f} times the weight of the features."
        )
    return lines


def _trial_label(name: str) -> str:
    return TRIAL_LABELS.get(name) or label_of(name)


def _trial_rows(trial: ColorMetricRecord) -> Iterator[tuple[str, ...]]:
    for name in sorted(trial.metrics, key=lambda name: -trial.metrics[name].mean["all"]):
        row = trial.metrics[name]
        yield (_trial_label(name), *(_correlation(row.mean[subset]) for subset in SUBSETS), _signed(row.gap))


def _against(trial: ColorMetricRecord, name: str) -> Iterator[tuple[str, ...]]:
    for rival in trial.metrics[name].against["all"]:
        cells = (trial.metrics[name].against[subset][rival] for subset in SUBSETS)
        words = (f"{_signed(cell)} {interval_verdict(cell.low, cell.high, 'higher')}" for cell in cells)
        yield (f"{_trial_label(name)} minus {_trial_label(rival)}", *words)


def _correlation(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _signed(found: Difference) -> str:
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]".replace("-", "−")


def _found(row: PeopleRow) -> bool:
    """Return whether the interval of a correlation excludes 0."""
    return row.srcc_low is not None and row.srcc_high is not None and excludes_zero(row.srcc_low, row.srcc_high)


def _agreement(record: PeopleRecord) -> str:
    head = ("agreement among raters", "one against the rest", "split halves", "corrected", "ceiling", "raters")
    labels = {"all": "all images", "real": "colorizers"}
    rows = [
        (
            labels[subset],
            *map(_number, (found.single, found.split_half, found.corrected, found.ceiling)),
            str(found.n_raters),
        )
        for subset, found in record.ceiling.items()
    ]
    return table(head, rows)


def _rows(record: PeopleRecord) -> Iterator[tuple[str, ...]]:
    for name in ranked(record):
        row, real = record.all[name], record.real[name]
        yield (
            label_of(name) + (" ‡" if row.out_of_fold else ""),
            f"{_number(row.srcc)} [{_number(row.srcc_low)}, {_number(row.srcc_high)}]",
            f"{_number(row.scene_srcc)} [{_number(row.scene_low)}, {_number(row.scene_high)}]",
            _number(row.krcc),
            _number(row.plcc),
            _number(row.pairwise),
            f"{_number(real.srcc)} [{_number(real.srcc_low)}, {_number(real.srcc_high)}]",
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")

"""The page of metrics against human ratings, from its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.core.records import Record
from chromalab.evaluation.people import TAPS, PeopleRecord
from chromalab.report.people import label_of, ranked
from tools import RESULTS
from tools.pages.markdown import render, table
from tools.pages.verdicts import SAME_CORRELATION, compare_correlations, correlation_strength, excludes_zero, quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chromalab.evaluation.people import PeopleRow

RECORD = RESULTS / "people" / "hecd.json"
UNSEEN = RESULTS / "people" / "unseen_scenes.yaml"
FITTED = "color_perceptual"


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
    record, unseen = PeopleRecord.load(RECORD), UnseenScenes.load(UNSEEN)
    head = ("metric", "SRCC, pooled", "SRCC within scenes", "KRCC", "PLCC", "pairs", "colorizers: SRCC")
    return render(
        "people.md",
        record=record,
        unseen=unseen,
        **unseen_summary(unseen),
        margin=SAME_CORRELATION,
        unseen_table=table(("metric", "SRCC"), [(label_of(name), f"{srcc:.3f}") for name, srcc in unseen.srcc.items()]),
        open=quantity(sum(not _found(row) for row in record.real.values()), len(record.real), "metrics"),
        taps=[_number(record.all[name].srcc) for name in TAPS],
        vivid={name: correlation_strength(record.all[name].srcc or 0.0) for name in ("colorfulness", "chroma")},
        metrics=table(head, _rows(record)),
        agreement=_agreement(record),
    )


def unseen_summary(unseen: UnseenScenes) -> dict[str, str]:
    """Return the numbers and verdicts of the page's first sentences."""
    fitted = unseen.srcc[FITTED]
    others = {label_of(name): srcc for name, srcc in unseen.srcc.items() if name != FITTED}
    return {
        "fitted": f"{fitted:.3f}",
        "strength": correlation_strength(fitted),
        "comparison": compare_correlations(fitted, others),
        "colorizers": f"{unseen.colorizers_highest:.2f}",
        "colorizers_strength": correlation_strength(unseen.colorizers_highest),
    }


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

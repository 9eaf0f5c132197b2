"""The page of metrics against human ratings, from its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.evaluation.people import PeopleRecord
from chromalab.report.people import label_of, ranked
from tools import RESULTS
from tools.pages.markdown import page, table

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = RESULTS / "people" / "hecd.json"


_LEAD = (
    "{images} recolorings of {scenes} of HECD's 20 scenes, {real} of them by colorizers, explained in [Do metrics "
    "follow people?](../people.md). SRCC is Spearman's rank correlation, oriented so that positive means agreement "
    "with people. *Pooled*: over all images, with a 95% bootstrap interval over scenes and images. *Within scenes*: "
    "mean of the scenes' correlations, with a t interval over scenes on Fisher's z. *Pairs*: share of pairs of one "
    "scene in people's order. ‡ Out of fold: each image was scored with parameters that were chosen and fitted "
    "without its scene."
)


def people_page() -> str:
    """Return the page of how far every metric follows human ratings on scenes of HECD."""
    record = PeopleRecord.load(RECORD)
    ceiling = record.ceiling
    return page(
        "Metrics against human ratings",
        _LEAD.format(images=record.n_images, scenes=record.n_scenes, real=record.n_real),
        table(
            ("metric", "SRCC, pooled", "SRCC within scenes", "KRCC", "PLCC", "pairs", "colorizers: SRCC"),
            _rows(record),
        )
        + "\n\n"
        + table(
            ("agreement among raters", "one against the rest", "split halves", "corrected", "ceiling", "raters"),
            (
                (
                    {"all": "all images", "real": "colorizers"}[subset],
                    *map(_number, (found.single, found.split_half, found.corrected, found.ceiling)),
                    str(found.n_raters),
                )
                for subset, found in ceiling.items()
            ),
        ),
    )


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

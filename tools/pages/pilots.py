"""The page of the pilots of the flagship's recipe, and of the flagship beside the default model before it."""

from __future__ import annotations

from typing import Any

from chromalab.core.records import read_yaml
from chromalab.metrics.registry import METRICS
from tools import RESULTS, read_csv, read_record
from tools.pages.markdown import render, table
from tools.pages.verdicts import excludes_zero, interval_verdict
from tools.release.pilots import Pilots

RECORDS = RESULTS / "flagship"
BASES = ("base", "base_short")
"""Pilots with which the others are compared."""

COMPARED = ("delta_e_2000", "psnr", "lpips_alex")


def pilots_page() -> str:
    """Return the page."""
    milestone = read_record("flagship/milestone.json")
    head = ("metric", f"`{milestone['default']}`", "`flagship`", "difference", "verdict")
    return render(
        "pilots.md",
        n_photos=Pilots.parse(read_yaml(RECORDS / "pilots.yaml"), origin="pilots.yaml").base.validate_on,
        pilots=_pilots(read_pilots()),
        left_out=_left_out(),
        images=f"{milestone['images']:,}",
        size_px=milestone["size_px"],
        saturation=milestone["saturation"],
        default=milestone["default"],
        n_evaluation=milestone["evaluation"]["photos"],
        milestone=table(head, milestone_rows(milestone["evaluation"])),
    )


def read_pilots() -> list[dict[str, str]]:
    """Return the rows of the pilots' table."""
    return read_csv(RECORDS / "pilots.csv")


def _pilots(rows: list[dict[str, str]]) -> str:
    head = ("pilot", "changes", "crops", "minutes", "PSNR", "CIEDE2000", "difference", "LPIPS-Alex", "difference")
    body = [
        (
            row["pilot"],
            row["changes"] if row["changes"] == "none" else f"`{row['changes']}`",
            f"{int(row['images']):,}",
            row["minutes"],
            f"{float(row['psnr']):.2f}",
            f"{float(row['delta_e_2000']):.2f}",
            difference(row, "delta_e_2000", 2),
            f"{float(row['lpips_alex']):.4f}",
            difference(row, "lpips_alex", 4),
            f"{float(row['chroma_ratio']):.2f}",
        )
        for row in rows
    ]
    return table((*head, "chroma / truth"), body)


def difference(row: dict[str, str], metric: str, digits: int) -> str:
    """Return a difference with its interval, bold where that excludes 0."""
    if is_base(row):
        return "–"
    mean, low, high = pilot_difference(row, metric)
    text = f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"**{text}**" if excludes_zero(low, high) else text


def is_base(row: dict[str, str]) -> bool:
    """Return whether other pilots are compared with this one."""
    return row["pilot"] in BASES


def pilot_difference(row: dict[str, str], metric: str) -> tuple[float, float, float]:
    """Return mean, lower and upper end of a pilot's difference to the base."""
    mean, low, high = (float(row[f"{metric}_{part}"]) for part in ("difference", "low", "high"))
    return mean, low, high


def _left_out() -> str:
    rows = [list(row.values()) for row in read_csv(RECORDS / "left_out.csv")]
    return table(("source", "pilot", "photos", "CIEDE2000", "LPIPS-Alex"), rows) if rows else ""


def milestone_rows(evaluation: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the flagship beside the default model before it under each metric, with the verdict."""
    rows = []
    for metric in COMPARED:
        mean, low, high = evaluation["differences"]["flagship"][metric]
        means = [f"{evaluation['means'][name][metric]:.4g}" for name in ("default", "flagship")]
        verdict = interval_verdict(low, high, METRICS[metric].direction)
        rows.append((METRICS[metric].label, *means, f"{mean:+.3g} [{low:.3g}, {high:.3g}]", verdict))
    return rows

"""The page of what `colorize` reads, keeps and refuses, from the lines that tests/e2e/test_cases.py checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from chromalab.colorization.plan import PHOTOS
from chromalab.photo.writing import LONGEST_SIDES, SUFFIXES, holds_alpha, keeps_16_bits
from tools import RESULTS, ROOT
from tools.pages.markdown import page, prose, table

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = RESULTS / "benchmarks" / "outputs.json"
CASES = ROOT / "tests" / "e2e" / "cases"


def files_page() -> str:
    """Return the page."""
    return page(
        "What chromalab reads, keeps and refuses",
        "*done*: the output has the size, the lightness and the metadata of the photo, and the disclosure. *warning*: "
        "the photo is done, and what it lacks is named in the terminal, in `--json`, in the record beside the output, "
        "in the report and in `.chromalab/messages.csv` of the output folder. *refused*: this photo fails with this "
        "reason, and the others are done. *left out*: a file of a folder that is not taken for a photo; it is counted "
        "and listed. Every line of the tables of cases is a test.",
        "\n\n".join(_parts()),
    )


def _parts() -> Iterator[str]:
    yield "## File types"
    yield (
        "In a folder, files with these endings are taken for photos; their content decides how they are read: "
        f"{', '.join(f'`{suffix}`' for suffix in sorted(PHOTOS))}. BMP, JPEG 2000, PPM, TGA, HEIC "
        "and TIFF of 9 to 15 bits need `pip install "
        "'.[scans]'` (HEIC only where libvips lacks its decoder). The output keeps the ending where chromalab "
        "writes that type, and is a PNG otherwise."
    )
    written = [kind for kind in dict.fromkeys(SUFFIXES.values()) if kind != "heic"]  # few libvips can write HEIC
    yield table(("written", "endings", "bits", "transparency", "longest side"), map(_kind, written))
    for path in sorted(CASES.glob("*.yaml")):
        group = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield f"## {group['title']}"
        yield table(("case", "file", "behavior"), [row for case in group["cases"] for row in _rows(case)])

    if RECORD.exists():
        yield "## Check with a second decoder"
        yield _checked(json.loads(RECORD.read_text(encoding="utf-8")))


def _checked(record: dict[str, Any]) -> str:
    """Return what `make verify` found, in a paragraph."""
    failed, faults = sum(record["failed"].values()), len(record["faults"])
    return (
        f"`make verify` colorized {record['files']:,} files: {record['photos']:,} collected photographs, written anew "
        f"as {record['kinds']} kinds of files, and the cases above. Pillow, tifffile and imagecodecs then decoded "
        f"{record['verified']:,} outputs, and compared pages, size, lightness and disclosure with what the photo asks "
        f"for: {faults} had a fault. {record['with_warnings']} outputs had a warning, and {failed} files failed with a "
        "reason."
    )


def _kind(kind: str) -> tuple[str, str, str, str, str]:
    suffixes = [suffix for suffix, written in SUFFIXES.items() if written == kind]
    name = Path("x" + suffixes[0])
    longest = LONGEST_SIDES.get(kind)
    return (
        kind,
        ", ".join(f"`{suffix}`" for suffix in suffixes),
        "8 or 16" if keeps_16_bits(name) else "8",
        "yes" if holds_alpha(name) else "put on white",
        f"{longest:,} px" if longest else "no limit",
    )


def _rows(case: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield a row per pattern; the case is named in the first."""
    what = prose(case["what"])
    for pattern, behavior in case["files"].items():
        kind, _, words = behavior.partition(": ")
        shown = "all files" if pattern == "*" else f"`{pattern}`"
        yield what, shown, f"**{kind}**" + (f": {prose(words)}" if words else "")
        what = ""

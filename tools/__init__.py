"""Tools for maintainers: pages from records, benchmarks, and the release of models."""

from __future__ import annotations

import argparse
import csv
import gzip
import json
from pathlib import Path
from typing import Any

from chromalab.core.files import write_text

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
RESULTS = ROOT / "results"


def read_record(path: str) -> Any:
    """Return the content of a JSON file below results/."""
    return json.loads((RESULTS / path).read_text(encoding="utf-8"))


def write_record(path: Path | None, record: object) -> None:
    """Write a record as JSON, unless the path is None."""
    if path is not None:
        write_text(path, json.dumps(record, indent=1) + "\n")


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, gzipped or not; a missing file has none."""
    if not path.exists():
        return []
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is the docstring of a tool as it is."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)

"""Tools for maintainers: pages from records, benchmarks, and the release of models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
RESULTS = ROOT / "results"


def read_record(path: str) -> Any:
    """Return what a JSON file below results/ holds."""
    return json.loads((RESULTS / path).read_text(encoding="utf-8"))

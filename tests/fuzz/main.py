"""Look for files that violate a property, with random seeds: `python -m tests.fuzz.main --minutes 10`.

Every such file is saved with its seed in its name, and `python -m tests.fuzz.main FILE ...` examines files again.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import secrets
import sys
import time
from pathlib import Path
from typing import Self

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.files import families
from tests.fuzz.mutations import Mutant, mutants
from tests.fuzz.worker import Worker

_ROUND = 100
_MODES = ("file", "file", "file", "serve")


def main() -> int:
    """Run the fuzzer, or examine given files; return 1 if a property is violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.main", description=__doc__)
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="files to examine once, in place of mutants"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="running time")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="folder for the files that are found")
    parser.add_argument("--family", choices=families(), action="append", help="families of files (default: all)")
    parser.add_argument("--seed", type=int, help="run this one round (100 files per family)")
    arguments = parser.parse_args()
    with Search(arguments.out) as search:
        if arguments.files:
            found = [search.examine(path) for path in arguments.files]
            return int(any(found))
        return search.run(arguments.family or families(), arguments.minutes, arguments.seed)


class Search:
    """Rounds of mutated files, and the violations that they have shown.

    Args:
        out: folder for the files that are found.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._workers = {mode: Worker(mode) for mode in _MODES}
        self._seen: set[str] = set()
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.__exit__()

    def examine(self, path: Path) -> bool:
        """Print which properties a file violates, and return whether there are any."""
        found = [worker.violation(path.read_bytes(), path.suffix) for worker in self._workers.values()]
        _print(f"{path}: " + ("; ".join(text for text in found if text) or "no property is violated"))
        return any(found)

    def run(self, families: list[str], minutes: float, seed: int | None) -> int:
        """Run rounds until the time is over, or the round of one seed; return 1 if a property is violated."""
        end = time.monotonic() + 60 * minutes
        number = 0
        while time.monotonic() < end and not (seed is not None and number):
            chosen = secrets.randbits(32) if seed is None else seed
            for family in families:
                self._round(family, chosen, end)
            number += 1
        _print(
            f"{self._count} files, {len(self._seen)} kinds of violations" + (f", see {self._out}" if self._seen else "")
        )
        return int(bool(self._seen))

    def _round(self, family: str, seed: int, end: float) -> None:
        mode = _MODES[seed % len(_MODES)]

        @hypothesis.seed(seed)
        @settings(
            max_examples=_ROUND,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(mutants(family))
        def examine(mutant: Mutant) -> None:
            if time.monotonic() > end:
                return
            self._count += 1
            violation = self._workers[mode].violation(mutant.data, mutant.suffix, mutant.valid)
            if violation is not None:
                self._keep(mutant, seed, mode, violation)

        examine()

    def _keep(self, mutant: Mutant, seed: int, mode: str, violation: str) -> None:
        """Save the first file of a kind of violation, and print it."""
        kind = f"{mutant.suffix} {re.sub(r'0x[0-9a-f]+|[0-9]+', '0', violation)}"
        if kind in self._seen:
            return
        self._seen.add(kind)
        digest = hashlib.sha256(mutant.data).hexdigest()[:8]
        path = self._out / f"{seed}-{violation.partition(':')[0]}-{digest}{mutant.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutant.data)
        _print(f"{path} ({mode}, {mutant.source}: {'; then '.join(mutant.steps)})\n  {violation}")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""A server of its own for a simulation: a real process on a free port, stopped afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from chromalab.core.errors import UsageError
from chromalab.survey.simulate import Outcome, People, simulate
from chromalab.survey.study import SurveyFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ADDRESS = re.compile(r"the survey is at (http://\S+?)/ ")
_COMMAND = "from chromalab.cli.main import run; run()"
_NO_LIMIT = "1000000"


def run_simulation(
    root: Path, people: People, count: int, *, url: str | None = None, database: str | None = None, at_a_time: int = 200
) -> Outcome:
    """Send simulated people through a survey's server, started for them where none is given.

    Raises:
        UsageError: there is no survey, or the server does not start.
    """
    record = SurveyFolder(root).load()
    unknown = [name for name in people.abilities if name not in {*record.methods, "truth"}]
    if unknown:
        raise UsageError(f"{root} has no method {unknown[0]}; it has {', '.join(record.methods)}")
    with contextlib.nullcontext(url) if url else serving(root, database=database) as address:
        return asyncio.run(simulate(record, str(address), people, count, at_a_time=at_a_time))


@contextlib.contextmanager
def serving(root: Path, *, database: str | None = None, workers: int = 1, port: int = 0) -> Iterator[str]:
    """Run `chromalab survey serve` in a process of its own, and give its address.

    Raises:
        UsageError: it does not start.
    """
    command = [
        sys.executable, "-c", _COMMAND, "survey", "serve", str(root), "--port", str(port),
        "--workers", str(workers), "--joins-per-minute", _NO_LIMIT,
        *(["--database", database] if database else []),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)  # noqa: S603 - our own command
    try:
        yield _address(process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _address(process: subprocess.Popen[str]) -> str:
    lines = []
    for line in process.stderr or ():
        lines.append(line)
        found = _ADDRESS.search(line)
        if found:
            return found.group(1)
    raise UsageError(f"the server did not start: {' '.join(lines[-3:]).strip()}")

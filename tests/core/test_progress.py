from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.progress import Progress, TextColumn

from chromalab.core import progress as module
from chromalab.core.progress import progress

if TYPE_CHECKING:
    from rich.console import Console


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_INTERVAL_S", 1000.0)
    with progress("training", 10, unit="photos", done=4) as advance:
        advance(3)
        advance(3, note="loss 0.1")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("training: 10/10 photos, ")
    assert lines[0].endswith("0 s left, loss 0.1")


def test_resumed_items_do_not_count_in_the_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 10.0, 20.0, 30.0])
    monkeypatch.setattr("chromalab.core.progress.time.monotonic", lambda: next(now))
    with progress("training", 4800, unit="crops") as advance:
        advance(90, resumed=True)
        advance(6)
        advance(9)
    assert capsys.readouterr().err.splitlines() == [
        "training: 90/4800 crops",
        "training: 96/4800 crops, 0.3/s, 15680 s left",
        "training: 105/4800 crops, 0.5/s, 9390 s left",
    ]


def test_a_bar_leaves_resumed_items_out_of_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    bars: list[Progress] = []

    def kept(console: Console, unit: str) -> Progress:
        bars.append(Progress(TextColumn(unit), console=console))
        return bars[-1]

    monkeypatch.setattr(module, "_bar", kept)
    with progress("training", 4800, unit="crops", done=10) as advance:
        advance(80, resumed=True)
        (task,) = bars[0].tasks
        assert task.completed == 90
        assert task.speed is None
        advance(6)
        assert task.completed == 96


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("colorizing", 2) as advance:
        advance(2)
    shown = capsys.readouterr().err
    assert "colorizing" in shown
    assert "2/2" in shown

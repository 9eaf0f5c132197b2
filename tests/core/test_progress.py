from __future__ import annotations

import pytest

from chromalab.core import progress as module
from chromalab.core.progress import progress


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_INTERVAL_S", 1000.0)
    with progress("training", 10, unit="photos", done=4) as advance:
        advance(3)
        advance(3, note="loss 0.1")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("training: 10/10 photos, ")
    assert lines[0].endswith("0 s left, loss 0.1")


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("colorizing", 2) as advance:
        advance(2)
    shown = capsys.readouterr().err
    assert "colorizing" in shown
    assert "2/2" in shown

"""CSV files of votes, as spreadsheets open them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chromalab.survey.votes import VoteRow, protocol_of, read_votes, votes_text


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "'=x", "''-x", "'quoted'", "plain"])
def test_names_never_become_formulas_and_come_back(tmp_path: Path, name: str) -> None:
    votes = [VoteRow(name, "1", name, name, "other", is_a_selected=True, response_ms=900.0, elapsed_ms=950.0)]
    path = tmp_path / "votes.csv"
    path.write_text(votes_text(votes))
    with path.open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert read_votes(path) == votes


def test_checks_against_the_true_colors_leave_a_comparison_of_pairs(tmp_path: Path) -> None:
    votes = [
        VoteRow("p", "1", "s", "a", "b", is_a_selected=True),
        VoteRow("p", "1", "s", "truth", "damaged", is_a_selected=True, kind="vigilance", position=1),
    ]
    (tmp_path / "votes.csv").write_text(votes_text(votes))
    assert read_votes(tmp_path / "votes.csv") == votes
    assert protocol_of(votes) == "pairwise"

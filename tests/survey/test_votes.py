"""Answers of participants: their protocol."""

from __future__ import annotations

from pathlib import Path

from chromalab.survey.votes import VoteRow, protocol_of
from chromalab.survey.votes_csv import read_votes, votes_text


def test_checks_against_the_true_colors_leave_a_comparison_of_pairs(tmp_path: Path) -> None:
    votes = [
        VoteRow("p", "1", "s", "a", "b", is_a_selected=True),
        VoteRow("p", "1", "s", "truth", "damaged", is_a_selected=True, kind="vigilance", position=1),
    ]
    (tmp_path / "votes.csv").write_text(votes_text(votes))
    assert read_votes(tmp_path / "votes.csv") == votes
    assert protocol_of(votes) == "pairwise"

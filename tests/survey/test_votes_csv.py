"""CSV files of votes: as spreadsheets open them, and faults that name their line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from chromalab.core.errors import ConfigError
from chromalab.survey.votes import VoteRow
from chromalab.survey.votes_csv import COLUMNS, REQUIRED, read_votes, votes_text
from tests.survey.surveys import write_csv

HEAD = "observer,session,scene,condition_A,condition_B,is_A_selected"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "'=x", "''-x", "'quoted'", "plain"])
def test_names_never_become_formulas_and_come_back(tmp_path: Path, name: str) -> None:
    votes = [VoteRow(name, "1", name, name, "other", is_a_selected=True, response_ms=900.0, elapsed_ms=950.0)]
    path = tmp_path / "votes.csv"
    path.write_text(votes_text(votes))
    with path.open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert read_votes(path) == votes


def test_votes_keep_their_conditions_in_a_file(tmp_path: Path) -> None:
    conditions = (4.0, 8.0, 573.1, 20.0, 80.0, None, 251.0, 2.2)
    votes = [VoteRow(name, "1", "s", "a", "b", is_a_selected=True, conditions=conditions) for name in ("x", "y")]
    (tmp_path / "votes.csv").write_text(votes_text(votes))
    assert read_votes(tmp_path / "votes.csv") == votes


def test_missing_columns_and_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scene is missing"):
        read_votes(write_csv(tmp_path / "v.csv", [{"observer": 1, "session": 1}]))
    with pytest.raises(ConfigError, match="cannot read the votes"):
        read_votes(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"is_A_selected": "perhaps"}, "line 2: is_A_selected must be 1 or 0"),
        ({"is_A_selected": ""}, "neither a tie nor a rating"),
        ({"rating": "7"}, "1 to 5"),
        ({"side": "above"}, "left or right"),
        ({"observer": ""}, "must not be empty"),
        ({"response_ms": "slow"}, "a number"),
    ],
)
def test_invalid_rows_are_refused(tmp_path: Path, change: dict[str, str], fault: str) -> None:
    row = dict.fromkeys(COLUMNS, "") | dict.fromkeys(REQUIRED, "1") | {"condition_B": "2"}
    with pytest.raises(ConfigError, match=fault):
        read_votes(write_csv(tmp_path / "v.csv", [row | change]))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([{"rating": 70}], "1 to 5, not 70; write 100 in the column scale"),
        ([{"rating": 101, "scale": 100}], "rating must be 0 to 100, not 101"),
        ([{"rating": 3, "scale": 7}], r"5 \(ratings from 1\) or 100"),
        ([{"rating": 3, "scale": 5}, {"rating": 4, "scale": 100}], "line 3: the scale is 100, but that of line 2 is 5"),
    ],
)
def test_ratings_outside_their_scale_are_refused(tmp_path: Path, rows: list[dict[str, int]], fault: str) -> None:
    bare = dict.fromkeys(REQUIRED, "1") | {"condition_B": "", "is_A_selected": ""}
    lines = [bare | {"scene": f"s{k}", "scale": ""} | row for k, row in enumerate(rows)]
    with pytest.raises(ConfigError, match=fault):
        read_votes(write_csv(tmp_path / "v.csv", lines))


@pytest.mark.parametrize(
    ("ranks", "change", "fault"),
    [
        ((1, 2, 2), {}, "line 2: the ranks of one ranking must be 1, 2 and so on"),
        ((1, 2, 4), {}, "1 for a, 2 for b, 4 for c"),
        ((1, 2, ""), {}, "neither a tie nor a rating"),
        ((1, 2, 3), {"condition_B": "d"}, "about one image"),
        ((1, 2, 3), {"condition_A": "a"}, "it answers the same question as line 2"),
    ],
)
def test_invalid_rankings_are_refused(
    tmp_path: Path, ranks: tuple[object, ...], change: dict[str, str], fault: str
) -> None:
    row = dict.fromkeys(REQUIRED, "1") | {"condition_B": "", "is_A_selected": "", "scene": "s"}
    lines = [row | {"condition_A": name, "rank": rank} for name, rank in zip("abc", ranks, strict=True)]
    lines[2] |= change
    with pytest.raises(ConfigError, match=fault):
        read_votes(write_csv(tmp_path / "v.csv", lines))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{HEAD}\np,1,s,a,b,1\np,1,s,a,a,1\n", "line 3: condition_A and condition_B are both 'a'"),
        (f"{HEAD}\np,1,s,a,b,1\np,1,s,a,,1\n", "line 3: condition_B is empty"),
        (f"{HEAD}\np,1,s,a,,1\n", "line 2: condition_B is empty, but no scored row is about 'truth'"),
        (f"{HEAD}\np,1,,a,b,1\n", "line 2: scene must not be empty"),
        (f"{HEAD}\np,1,s,a,random,1\n", "line 2: 'random' is reserved"),
        (f"{HEAD}\np,1,s,a,truth,1\np,1,s,a,b,1\n", "line 3: neither condition is 'truth'"),
        (f"{HEAD}\np,1,s,a,b,1,extra\n", "line 2: the row has more cells"),
        (f"{HEAD},kind\np,1,s,a,b,1,final\n", "line 2: kind must be practice, test, repeat or vigilance"),
        (f"{HEAD},blurs\np,1,s,a,b,1,nan\n", "line 2: blurs must be a number, not 'nan'"),
        (f"{HEAD},position\np,1,s,a,b,1,1.5\n", "line 2: position must be a whole number"),
        (f"{HEAD},position\np,1,s,a,b,1,7\np,1,s,a,b,1,7\n", "line 3: it answers the same question as line 2"),
        (
            f"{HEAD},position,finished\np,1,s,a,b,1,7,0\np,1,s,b,a,1,7,1\n",
            "line 3: it answers the same question as line 2",
        ),
        (f"{HEAD},is_tie\np,1,s,truth,b,1,0\np,1,t,truth,b,,1\n", "line 3: a tie does not say which image looks real"),
        (f"{HEAD},is_tie\np,1,s,a,b,1,1\n", "line 2: is_A_selected is 1 in a tie"),
        (f"{HEAD},rating\np,1,s,a,,,4\np,1,s,a,,1,\n", "line 3: the rating is empty"),
        (f"{HEAD},observer\np,1,s,a,b,1,q\n", "the column observer occurs more than once"),
        (HEAD.replace(",", ";") + "\np;1;s;a;b;1\n", "the column observer is missing among observer;session"),
        ('observer,session,scene,condition_A,condition_B,is_A_selected\n"p\nq",1,s,a,b,1\np,1,s,a,a,1\n', "line 4"),
    ],
)
def test_faulty_rows_name_their_line(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "votes.csv").write_text(text)
    with pytest.raises(ConfigError, match=fault.replace("(", r"\(")):
        read_votes(tmp_path / "votes.csv")


def test_a_scale_without_a_rating_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text(f"{HEAD},scale\np,1,s,a,b,1,100\np,1,t,a,b,0,100\n", encoding="utf-8")
    assert [vote.scale for vote in read_votes(path)] == [5, 5]

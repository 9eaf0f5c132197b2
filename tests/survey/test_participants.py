"""The list of whom to approve on a recruitment platform."""

from __future__ import annotations

import csv
from pathlib import Path
from unittest.mock import patch

import pytest

from chromalab.survey.analysis.raters import _likelihoods
from tests.e2e.conftest import Chromalab, chromalab  # noqa: F401 - a fixture
from tests.survey.surveys import Visitor, client_of, make_survey

IDS = {name: f"{number:024x}" for number, name in enumerate(("good", "hasty", "small", "gone", "halfway", "never"))}


@pytest.mark.slow
def test_every_id_gets_a_status(chromalab: Chromalab, tmp_path: Path) -> None:  # noqa: F811
    folder, _ = make_survey(
        tmp_path, access="platform", vigilance=0.5,
        recruitment={"code": "C0DE", "failed_code": "QX7ZK", "screened_code": "88MNT"},
        exclusions={"vigilance_share": 0.6, "fast_share": 1, "side_p": 0},
    )  # fmt: skip
    with client_of(folder) as client:
        people = {
            name: Visitor(client, params={"PROLIFIC_PID": identity}).begin()
            for name, identity in IDS.items()
            if name != "never"
        }
        database = client.app.state.survey.database  # type: ignore[attr-defined]
        for name, wrong in (("good", False), ("hasty", True)):
            person = people[name]
            while person.state["stage"] == "trials":
                with database.read() as connection:
                    rows = connection.exec_driver_sql('SELECT token, "left", kind FROM trial').all()
                (left, kind) = next(row[1:] for row in rows if row[0] == person.state["trial"])
                right_one = "right" if left == "random" else "left"
                wrong_one = "left" if right_one == "right" else "right"
                person.vote(wrong_one if wrong and kind == "vigilance" else right_one)
        assert (people["good"].state["code"], people["good"].state["failed"]) == ("C0DE", False)
        assert (people["hasty"].state["code"], people["hasty"].state["failed"]) == ("QX7ZK", True)
        small = people["small"].post("/api/leave", {"reason": "window"}).json()
        assert (small["stage"], small["reason"], small["code"]) == ("screened", "window", "88MNT")
        people["halfway"].vote()
        people["gone"].post("/api/withdraw", {})
    (tmp_path / "ids.txt").write_text("\n".join(IDS.values()))
    done = chromalab("survey", "approve", folder, "--ids", tmp_path / "ids.txt", "--out", tmp_path / "list.csv")
    assert done.code == 0, done.err
    with (tmp_path / "list.csv").open() as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    found = {name: (rows[identity]["status"], rows[identity]["reason"]) for name, identity in IDS.items()}
    assert found == {
        "good": ("approve", ""),
        "hasty": ("reject", "vigilance"),
        "small": ("screened out", "window"),
        "gone": ("returned", ""),
        "halfway": ("unfinished", "trials"),
        "never": ("returned", ""),
    }
    codes = [rows[IDS[name]]["code"] for name in ("good", "hasty", "small", "halfway")]
    assert codes == ["C0DE", "QX7ZK", "88MNT", ""]
    with patch("chromalab.survey.analysis.raters._likelihoods", wraps=_likelihoods) as once:
        files = "--participants", tmp_path / "people.csv", "--csv", tmp_path / "votes.csv"
        assert chromalab("survey", "export", folder, *files).code == 0
    once.assert_called_once()
    with (tmp_path / "people.csv").open() as file:
        people_rows = list(csv.DictReader(file))
    assert [(row["step"], row["exclusion"]) for row in people_rows] == [
        ("finished", ""), ("finished", "vigilance"), ("screened_window", ""), ("trials", "")
    ]  # fmt: skip
    assert chromalab("survey", "approve", folder, "--out", tmp_path / "all.csv").code == 0
    assert (tmp_path / "all.csv").read_text().count("\n") == 5
    assert chromalab("survey", "approve", folder, "--ids", tmp_path, "--out", tmp_path / "x.csv").code == 2

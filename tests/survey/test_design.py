"""Designs of surveys: their files, their published values, and settings that do not fit together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from chromalab.core.errors import ConfigError
from chromalab.studies.config import load_config
from chromalab.survey.design import load_design, parse_design

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("protocol: pairwise\ntrails: 3\n", "trials"),
        ("protocol: rating\ntie: true\n", "applies only to protocol pairwise"),
        ("protocol: pairwise\nform: yes_no\n", "real_or_fake"),
        ("protocol: pairwise\nform: slider\n", "only to protocol rating"),
        ("protocol: rating\nform: yes_no\n", "only to protocol real_or_fake"),
        ("protocol: rating\nper_trial: 3\n", "only to protocol rank_order"),
        ("protocol: rank_order\nper_trial: 7\n", "less than or equal to 6"),
        ("protocol: rank_order\ndisplay_ms: 900\n", "stay until the answer"),
        ("protocol: rank_order\ntie: true\n", "only to protocol pairwise"),
        ("protocol: rank_order\nfeedback: true\n", "only to protocols pairwise and rating"),
        ("protocol: rating\ninspect: [zoom]\n", "inspect applies only to protocol pairwise"),
        ("protocol: pairwise\ninspect: [zoom]\ndisplay_ms: 900\n", "until the answer; remove display_ms"),
        ("protocol: pairwise\ninspect: [flicker]\nflicker_hz: 3\n", "less than or equal to 2.5"),
        ("protocol: pairwise\ninspect: [zoom]\nflicker_hz: 2\n", "only to inspect: .flicker."),
        ("protocol: rank_order\npairs: adaptive\n", "only to protocol pairwise"),
        ("protocol: pairwise\nstop: {rule: precision, participants: 9}\n", "half_width"),
        ("protocol: pairwise\nrecruitment: {completion_url: 'javascript:x'}\n", "web address"),
        ("- 1\n", "does not hold keys with values"),
        ("protocol: pairwise\nanalysis: {subgroups: [gender]}\n", "there is no question gender"),
        ("protocol: pairwise\nafter: [comment]\nanalysis: {subgroups: [comment]}\n", "is a text"),
        ("protocol: pairwise\nanalysis: {subgroups: [{question: age, bins: [50, 30]}]}\n", "must ascend"),
        ("protocol: pairwise\nafter: [gender]\nanalysis: {subgroups: [{question: gender, bins: [1]}]}\n", "no bins"),
        ("protocol: real_or_fake\nfeedback: true\n", "always gives it"),
        ("protocol: pairwise\npractice: 0\nfeedback: true\n", "set practice to 2"),
        ("protocol: pairwise\npractice_pass: 1\n", "without feedback: true"),
        ("protocol: real_or_fake\npractice_pass: 1\n", "would bias the fooling rate"),
        ("protocol: pairwise\nfeedback: true\npractice_pass: 3\n", r"more than practice \(2\)"),
        ("protocol: pairwise\nviewing: {distance: true}\n", "add card: true"),
        ("protocol: pairwise\nexclusions: {distance_mm: [400, 900]}\n", "distance_mm needs .* add distance: true"),
        ("protocol: pairwise\nexclusions: {brightness: true}\n", "add brightness: true"),
        ("protocol: pairwise\nexclusions: {gamma: [2.6, 1.8]}\n", r"\[2.6, 1.8\] is no range"),
    ],
)
def test_wrong_designs(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "d.yaml").write_text(text)
    with pytest.raises(ConfigError, match=fault):
        load_design(tmp_path / "d.yaml")


@pytest.mark.parametrize("participants", [1, 2, 30, 100])
def test_the_example_of_interim_looks_fits_the_participants(participants: int) -> None:
    stop: dict[str, object] = {"rule": "precision", "participants": participants}
    with pytest.raises(ConfigError) as caught:
        parse_design({"protocol": "pairwise", "stop": stop}, origin="")
    (example,) = re.findall(r"half_width: 0\.3 and looks: \[.*?\]", str(caught.value))
    parse_design({"protocol": "pairwise", "stop": stop | yaml.safe_load(example.replace(" and ", "\n"))}, origin="")


def test_the_shipped_designs() -> None:
    assert load_design(Path("preference")).protocol == "pairwise"
    pairs, fooling = (load_design(Path(name)) for name in ("objectives", "objectives-fooling"))
    assert (pairs.protocol, fooling.protocol) == ("pairwise", "real_or_fake")
    planned = load_config(RESULTS / "objective" / "large" / "study.yaml")
    assert planned.plan is not None
    for plan in (pairs, fooling):
        assert plan.analysis.primary == [tuple(contrast) for contrast in planned.plan.contrasts]


def test_published_values_of_real_or_fake() -> None:
    """Zhang, Isola and Efros (2016): 256 px, one second, 10 practice and 40 test pairs, 10% vigilance."""
    plan = parse_design({"protocol": "real_or_fake"}, origin="")
    assert (plan.trials, plan.practice, plan.n_vigilance, plan.display_ms, plan.size_px) == (40, 10, 4, 1000, 256)


@pytest.mark.parametrize(
    ("checks", "share", "misses"),
    [(0, 0.7, 0), (1, 0.7, 0), (3, 0.7, 0), (4, 0.7, 1), (6, 0.7, 1), (7, 0.7, 2), (9, 0.7, 2), (10, 0.7, 3),
     (4, 0, 4), (4, 0.5, 2), (4, 1, 0)],
)  # fmt: skip
def test_the_attention_checks_that_a_participant_may_fail(checks: int, share: float, misses: int) -> None:
    plan = {"protocol": "pairwise", "vigilance": checks / 40, "exclusions": {"vigilance_share": share}}
    design = parse_design(plan, origin="test")
    assert (design.n_vigilance, design.allowed_misses) == (checks, misses)

"""Tests of the documentation: generated pages are current, links resolve, and commands and examples run."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import cast

import pytest
import yaml

from chromalab.losses.compose import parse_formula
from chromalab.metrics.registry import METRICS
from chromalab.studies.config import StudyConfig, load_config
from chromalab.studies.objectives import resolve_objectives
from chromalab.studies.recipe import Recipe
from chromalab.studies.records import Analysis
from chromalab.studies.smoke import smoke
from chromalab.survey.create import consent_notes
from chromalab.survey.design import parse_design
from tools.pages.generate import FOLDER, PAGES

ROOT = Path(__file__).resolve().parents[3]
PROSE = sorted(path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if path.name != "LICENSE")
HEAVY = {"objective.md", "objectives96.md", "results.md"}
"""Pages that analyze large studies."""
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def yaml_blocks(path: Path) -> list[str]:
    """Return the YAML examples of a page, also those inside a list."""
    blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [dedent(block) for _, block in blocks]


YAML = [
    pytest.param(block, id=f"{path.stem}-{number}")
    for path in (*GUIDES, ROOT / "CONTRIBUTING.md")
    for number, block in enumerate(yaml_blocks(path))
]


@pytest.mark.every_case
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in PAGES]
)
def test_reference_pages_are_current(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    small = smoke(load_config(Path("quick"))).model_copy(update={"seeds": [0], "objectives": {"l2": "l2"}})
    monkeypatch.setattr("chromalab.studies.api.load_config", lambda path: small)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - it is our own README
    assert cast("Analysis", names["analysis"]).objectives == ["l2"]


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_every_command_in_a_guide_exists(path: Path) -> None:
    commands = set(re.findall(r"^## `(chromalab [a-z ]+)`", PAGES["commands.md"](), flags=re.MULTILINE))
    blocks = "".join(re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL))
    for line in re.findall(r"^chromalab ((?:[a-z]+ ?)+)", blocks, flags=re.MULTILINE):
        words = line.split()
        assert any(f"chromalab {' '.join(words[:count])}" in commands for count in (1, 2)), line


@pytest.mark.every_case
@pytest.mark.parametrize("block", YAML)
def test_every_yaml_example_can_be_read(block: str) -> None:
    assert isinstance(yaml.safe_load(block), dict)


def test_the_study_in_the_guide_is_valid() -> None:
    study, plan = map(yaml.safe_load, yaml_blocks(ROOT / "docs" / "studies.md"))
    StudyConfig.parse(study | plan, origin="docs/studies.md")
    config = StudyConfig.parse(study, origin="docs/studies.md")
    assert len(resolve_objectives(config)) == 4
    assert config.plan is not None
    assert set(config.metrics) <= set(METRICS)
    assert {"name", "objectives", "data", "seeds", "training", "metrics", "plan"} <= config.model_fields_set


def test_the_recipe_in_the_training_guide_is_valid() -> None:
    block, _ = yaml_blocks(ROOT / "docs" / "training.md")
    recipe = Recipe.parse(yaml.safe_load(block), origin="docs/training.md")
    assert [spec.name for spec in parse_formula(str(recipe.loss))][-1] in recipe.training.terms
    assert recipe.training.steps > 0
    assert recipe.training.degradations.active


def test_the_designs_in_the_survey_guide_are_valid() -> None:
    page = ROOT / "docs" / "survey.md"
    complete, *parts = map(yaml.safe_load, yaml_blocks(page))
    design = parse_design(complete, origin="docs/survey.md")
    assert (design.trials, design.n_vigilance, design.allowed_misses) == (8, 4, 1)
    assert consent_notes(design) == []
    stops = re.findall(r"`(stop: \{.*?\})`", page.read_text(encoding="utf-8"))
    assert stops
    for part in (*parts, *map(yaml.safe_load, stops)):
        parse_design({"protocol": "pairwise", **part}, origin="docs/survey.md")

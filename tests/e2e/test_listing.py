"""`chromalab list`, `--help` and `--version`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chromalab.core.records import read_yaml
from chromalab.studies.config import load_config
from chromalab.version import __version__

from .conftest import Chromalab


@pytest.mark.parametrize(
    ("what", "some"),
    [
        ("losses", {"l1", "l2", "lpips_vgg", "lpips_alex", "lpips_squeeze", "perceptual_lite0", "wgan_gp"}),
        ("models", {"flagship", "perceptual"}),
        ("metrics", {"mae", "psnr", "frechet_lite0"}),
        ("spaces", {"lab", "yuv", "rgb"}),
        ("encoders", {"efficientnet_lite0", "efficientnet_lite1", "vgg16"}),
        ("samples", {"astronaut", "grace_hopper"}),
        ("studies", {"quick", "photos"}),
        ("recipes", {"baseline", "flagship"}),
        ("designs", {"objectives", "preference"}),
        ("questions", {"age", "comment"}),
    ],
)
def test_lists_are_printed_as_tables_and_as_json(chromalab: Chromalab, what: str, some: set[str]) -> None:
    rows = json.loads(chromalab("list", what, "--json").out)
    assert some <= {row["name"] for row in rows}
    if what == "losses":
        assert all(row["family"] in {"pixel", "distribution", "perceptual", "adversarial", "color"} for row in rows)
    assert min(some)[:4] in chromalab("list", what).out


def test_a_built_in_file_is_printed_as_the_start_of_ones_own(chromalab: Chromalab, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(chromalab("list", "studies", "quick").out, encoding="utf-8")
    assert load_config(mine) == load_config(Path("quick"))
    assert json.loads(chromalab("list", "studies", "quick", "--json").out) == read_yaml(mine)
    refused = chromalab("list", "designs", "preferences")
    assert (refused.code, refused.out) == (2, "")
    assert "'preferences' is not a preset; did you mean 'preference'?" in refused.err


@pytest.mark.parametrize(
    "command",
    [
        (), ("train",), ("compare",), ("compare", "run"), ("compare", "report"), ("compare", "status"),
        ("compare", "colorize"), ("evaluate",), ("weights",), ("weights", "add"), ("weights", "list"), ("data",),
        ("data", "check"), ("colorize",), ("export",), ("serve",), ("list",), ("list", "losses"),
    ],
)  # fmt: skip
def test_every_command_has_help(chromalab: Chromalab, command: tuple[str, ...]) -> None:
    done = chromalab(*command, "--help")
    assert done.code == 0
    assert "Usage" in done.out


def test_the_version_is_printed(chromalab: Chromalab) -> None:
    assert chromalab("--version").out.strip() == f"chromalab {__version__}"


def test_wrong_use_exits_with_2(chromalab: Chromalab) -> None:
    assert chromalab("compare", "fly").code == 2
    assert chromalab("train").code == 2


def test_help_imports_nothing_heavy() -> None:
    heavy = [
        "torch",
        "numpy",
        "kornia",
        "matplotlib",
        "pyvips",
        "scipy",
        "pydantic",
        "onnxruntime",
        "jinja2",
        "fastapi",
    ]
    script = f"import sys; import chromalab.cli.main; print(sorted(set({heavy}) & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "[]"

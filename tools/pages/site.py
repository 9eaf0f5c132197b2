"""MkDocs hooks of `make site`: pages from outside docs/, a page of the Python API for each package, and the app."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File
from mkdocs.structure.nav import Link

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "web" / "app" / "dist"
"""The colorizer for browsers, if it is built."""

OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md")
"""Pages from the root of the repository."""

API = "reference/api.md"
"""The page that lists the public names of every package."""

_CODE_OF_TABLE = re.compile(r"(?<=[| ])`[^`\n]*\\\|[^`\n]*`")
"""Code with an escaped pipe: code hosts drop the backslash of such a pipe, Python-Markdown keeps it."""

_SECTION = re.compile(r"^## `([\w.]+)`\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"^\| (`(\w+)[^`]*`)", re.MULTILINE)


def on_config(config: MkDocsConfig) -> None:
    """Add the pages of the API to the navigation."""
    for section in config.nav or []:
        if API in section.get("API", []):
            section["API"] += [f"reference/{package}.md" for package in _api(config)]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages from outside docs/, and a page for each package of the API."""
    for name in OUTSIDE:
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    for package, names in _api(config).items():
        files.append(File.generated(config, f"reference/{package}.md", content=_package_page(package, names)))


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> None:
    """Add the app to the navigation."""
    if APP.exists():
        nav.items.insert(1, Link("Colorize here", "app/index.html"))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Adapt links to the pages from outside docs/, pipes in tables, and the names of the API page."""
    for name in OUTSIDE:
        markdown = markdown.replace(f"](../{name}", f"]({name}")
    markdown = _CODE_OF_TABLE.sub(lambda code: code[0].replace("\\|", "|"), markdown)
    return _SECTION.sub(_link_names, markdown) if page.file.src_uri == API else markdown


def on_post_build(config: MkDocsConfig) -> None:
    """Copy the app beside the pages."""
    if APP.exists():
        shutil.copytree(APP, Path(config.site_dir) / "app", dirs_exist_ok=True)


def _api(config: MkDocsConfig) -> dict[str, list[str]]:
    """Return the public names of each package, without those that are packages themselves."""
    text = (Path(config.docs_dir) / API).read_text(encoding="utf-8")
    api = {match[1]: [name for _, name in _NAME.findall(match[0])] for match in _SECTION.finditer(text)}
    return {package: [name for name in names if f"{package}.{name}" not in api] for package, names in api.items()}


def _package_page(package: str, names: list[str]) -> str:
    intro = f"# `{package}` {{#{package}}}\n\n::: {package}\n    options: {{members: false, show_root_heading: false, show_root_toc_entry: false}}\n"
    return "\n".join([intro, *(f"::: {_home(package, name)}\n" for name in sorted(names))])


def _link_names(section: re.Match[str]) -> str:
    return _NAME.sub(lambda name: f"| [{name[1]}][{_home(section[1], name[2])}]", section[0])


def _home(package: str, name: str) -> str:
    """Return the path of a name; a module with the same name hides it from its package."""
    module = ROOT / "src" / Path(*package.split(".")) / f"{name}.py"
    return f"{package}.{name}.{name}" if module.exists() else f"{package}.{name}"

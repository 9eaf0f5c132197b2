"""What `make site` adds to MkDocs: pages from outside docs/, a page of the API for each package, and the app.

docs/ stays Markdown that code hosts show as it is. The functions are hooks of MkDocs, in the order of a build, and
`Doctests` is an extension of griffe, which reads the docstrings. mkdocs.yml names this file for both.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import griffe
from mkdocs.structure.files import File
from mkdocs.structure.nav import Link

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md")
"""Pages from the root of the repository."""

API = "reference/api.md"
"""The page that lists the public names of every package."""

_API_SECTION = re.compile(r"^## `([\w.]+)`\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_API_NAME = re.compile(r"^\| (`(\w+)[^`]*`)", re.MULTILINE)
_CODE_WITH_ESCAPED_PIPE = re.compile(r"(?<=[| ])`[^`\n]*\\\|[^`\n]*`")
_DOCTEST = re.compile(r"^>>> .*(?:\n.+|\n\n>>> .*)*", re.MULTILINE)


def on_config(config: MkDocsConfig) -> None:
    """Add the pages of the API to the navigation."""
    for section in config.nav or []:
        if API in section.get("API", []):
            section["API"] += [f"reference/{package}.md" for package in _public_names(config)]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages from outside docs/, and a page for each package of the API."""
    for name in OUTSIDE:
        text = (_root(config) / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    for package, names in _public_names(config).items():
        files.append(File.generated(config, f"reference/{package}.md", content=_package_page(config, package, names)))


def on_nav(nav: Navigation, config: MkDocsConfig, **_: object) -> None:
    """Add the app to the navigation, if it is built."""
    if _app(config).exists():
        nav.items.insert(1, Link("Colorize here", "app/index.html"))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Adapt what code hosts and Python-Markdown read differently, and link the names of the API."""
    for name in OUTSIDE:
        markdown = markdown.replace(f"](../{name}", f"]({name}")
    markdown = _CODE_WITH_ESCAPED_PIPE.sub(lambda code: code[0].replace("\\|", "|"), markdown)
    if page.file.src_uri != API:
        return markdown
    return _API_SECTION.sub(lambda section: _link_names(config, section), markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Copy the app beside the pages, if it is built."""
    if _app(config).exists():
        shutil.copytree(_app(config), Path(config.site_dir) / "app", dirs_exist_ok=True)


class Doctests(griffe.Extension):
    """Put the doctests of every docstring below the heading that the Google style has for examples."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring:
            obj.docstring.value = _DOCTEST.sub(_as_examples, obj.docstring.value)


def _as_examples(doctest: re.Match[str]) -> str:
    return "Examples:\n" + indent(doctest[0], "    ")


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent


def _app(config: MkDocsConfig) -> Path:
    return _root(config) / "web" / "app" / "dist"


def _public_names(config: MkDocsConfig) -> dict[str, list[str]]:
    """Return the names on the page of the API by package, without those that are packages themselves."""
    text = (Path(config.docs_dir) / API).read_text(encoding="utf-8")
    api = {section[1]: [name for _, name in _API_NAME.findall(section[0])] for section in _API_SECTION.finditer(text)}
    return {package: [name for name in names if f"{package}.{name}" not in api] for package, names in api.items()}


def _package_page(config: MkDocsConfig, package: str, names: list[str]) -> str:
    hidden = "{members: false, show_root_heading: false, show_root_toc_entry: false}"
    head = f"# `{package}` {{#{package}}}\n\n::: {package}\n    options: {hidden}\n"
    return "\n".join([head, *(f"::: {_path(config, package, name)}\n" for name in sorted(names))])


def _link_names(config: MkDocsConfig, section: re.Match[str]) -> str:
    return _API_NAME.sub(lambda name: f"| [{name[1]}][{_path(config, section[1], name[2])}]", section[0])


def _path(config: MkDocsConfig, package: str, name: str) -> str:
    """Return the dotted path of a name; for griffe, a module of the same name hides it from its package."""
    module = _root(config).joinpath("src", *package.split("."), f"{name}.py")
    return f"{package}.{name}.{name}" if module.exists() else f"{package}.{name}"

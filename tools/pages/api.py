"""The page of the public API: the names in `__all__` of every package, with signatures and summaries of docstrings."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pkgutil import iter_modules
from types import FunctionType, ModuleType

import chromalab
from tools.pages.markdown import page, prose, table


@dataclass(frozen=True)
class Entry:
    """A public name.

    Attributes:
        name: the name in its package.
        signature: parameters with their defaults and the type of the result; empty unless it is a function.
        summary: first paragraph of the docstring, empty where there is none.
    """

    name: str
    signature: str
    summary: str


def api_page() -> str:
    """Return the page of the public API."""
    return page(
        "Python API",
        "Everything public is listed here. Names are imported from their package, for example `from chromalab.data "
        "import sample_path`; all other names may change without notice. `help(chromalab.train)` shows arguments, "
        "types, errors and examples.",
        "\n\n".join(_section(package) for package in public_packages()),
    )


def public_packages() -> list[ModuleType]:
    """Return `chromalab` and its packages that have `__all__`."""
    names = [f"chromalab.{module.name}" for module in iter_modules(chromalab.__path__) if module.ispkg]
    return [chromalab, *(package for package in map(import_module, names) if hasattr(package, "__all__"))]


def public_entries(package: ModuleType) -> list[Entry]:
    """Return the public names of a package in the order of `__all__`, without those that begin with an underscore."""
    names = [name for name in package.__all__ if not name.startswith("_")]
    return [Entry(name, _signature(getattr(package, name)), _summary(package, name)) for name in names]


def _section(package: ModuleType) -> str:
    rows = [(f"`{entry.name}{entry.signature}`", prose(entry.summary)) for entry in public_entries(package)]
    return "\n\n".join(
        [f"## `{package.__name__}`", prose(_first_paragraph(package.__doc__)), table(("name", "summary"), rows)]
    )


def _signature(value: object) -> str:
    if not isinstance(value, FunctionType):
        return ""
    signature = inspect.signature(value)
    bare = [_bare(parameter) for parameter in signature.parameters.values()]
    result = signature.return_annotation
    shown = result if isinstance(result, str) else inspect.formatannotation(result)
    return f"{signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)} -> {shown}"


def _bare(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter without its type; the order of a set must not change from run to run."""
    default = parameter.default
    if isinstance(default, frozenset):
        default = tuple(sorted(default))
    return parameter.replace(annotation=inspect.Parameter.empty, default=default)


def _summary(package: ModuleType, name: str) -> str:
    value = getattr(package, name)
    if not isinstance(value, ModuleType | FunctionType | type):
        return _first_paragraph(_constant_doc(_home(package, name), name))
    generated = f"{name}("  # a dataclass without a docstring gets its signature as one
    return "" if (value.__doc__ or "").startswith(generated) else _first_paragraph(value.__doc__)


def _home(package: ModuleType, name: str) -> ModuleType:
    """Return the module that a package imports a name from."""
    for node in ast.walk(ast.parse(inspect.getsource(package))):
        if isinstance(node, ast.ImportFrom) and node.module and name in {each.name for each in node.names}:
            return import_module(node.module)
    return package


def _constant_doc(module: ModuleType, name: str) -> str | None:
    """Return the string below the assignment of a constant, else the docstring of its module."""
    for statement, following in pairwise(ast.parse(inspect.getsource(module)).body):
        match statement, following:
            case (
                ast.Assign(targets=[ast.Name(id=assigned)]) | ast.AnnAssign(target=ast.Name(id=assigned)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ) if assigned == name:
                return text
            case _:
                pass
    return module.__doc__


def _first_paragraph(doc: str | None) -> str:
    return " ".join(inspect.cleandoc(doc or "").partition("\n\n")[0].split())

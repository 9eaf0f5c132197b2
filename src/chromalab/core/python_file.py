"""Running a person's Python file, and saying in one line what went wrong in it."""

from __future__ import annotations

import ast
import importlib.util
import sys
import traceback
from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def run_file(path: Path, source: bytes, name: str) -> ModuleType:
    """Run the Python file `path`, whose bytes are `source`, as a module called `name`, and return that module.

    The bytes are compiled here, not by the import system: that would leave a cache beside the person's file, and take
    an older cache for the file where both are of the same second.

    Raises:
        ConfigError: it is no Python, or an exception left it; no module of that name stays behind then.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ConfigError(f"{path}: expected a Python file, whose name ends in .py")
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}{_line(error)}: {type(error).__name__}: {error.args[0]}") from None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the file that the person named is what was asked for
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(complaint(error, path)) from error
    return module


def complaint(error: BaseException, file: Path | None = None) -> str:
    """Say an exception in one line, and where it was raised: the last place in `file`, else the last of all.

    >>> complaint(ValueError("no such thing"))
    'ValueError: no such thing'
    """
    said = " ".join(f"{type(error).__name__}: {error}".split())
    places = [f"{frame.filename}, line {frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    own = [place for place in places if file is not None and place.startswith(f"{file}, ")]
    return f"{(own or places)[-1]}: {said}" if places else said


def _line(error: Exception) -> str:
    number = getattr(error, "lineno", None)
    return f", line {number}" if number else ""


def assignment_line(source: bytes, name: str) -> int | None:
    r"""Return the line of the last statement at the top level of a Python file that gives `name` a value.

    >>> assignment_line(b"A = 1\nB: int = 2", "B")
    2
    """
    lines = [
        statement.lineno
        for statement in ast.parse(source).body
        for target in _targets(statement)
        if isinstance(target, ast.Name) and target.id == name
    ]
    return lines[-1] if lines else None


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign | ast.AugAssign) else []

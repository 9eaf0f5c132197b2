"""Running a user's Python file, with errors reported in one line."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import traceback
from typing import TYPE_CHECKING

from chromalab.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def run_file(path: Path, source: bytes, name: str) -> ModuleType:
    """Run the Python file `path`, whose bytes are `source`, as a module called `name`, and return that module.

    The bytes are compiled here because the import system would write a cache next to the file, and could later load a
    stale cache if the file changed within the same second.

    Raises:
        ConfigError: the file is not valid Python, or it raised an exception. The module is then removed again.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ConfigError(f"{path}: expected a Python file, whose name ends in .py")
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}{_line(error)}: {type(error).__name__}: {error.args[0]}") from None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up their module there
    try:
        exec(code, module.__dict__)  # noqa: S102 - the user asked to run this file
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(describe_error(error, path)) from error
    return module


def describe_error(error: BaseException, file: Path | None = None) -> str:
    """Return an exception in one line, after the place that raised it: the last line of `file`, or else of all files.

    >>> describe_error(ValueError("no such thing"))
    'ValueError: no such thing'
    """
    message = " ".join(f"{type(error).__name__}: {error}".split())
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}, line {frame.lineno}" for frame in frames]
    files = [os.path.abspath(frame.filename) for frame in frames]  # noqa: PTH100 - `resolve` would follow links
    own = [place for place, of in zip(places, files, strict=True) if file is not None and of == str(file.absolute())]
    return f"{(own or places)[-1]}: {message}" if places else message


def _line(error: Exception) -> str:
    number = getattr(error, "lineno", None)
    return f", line {number}" if number else ""


def assignment_line(source: bytes, name: str) -> int | None:
    r"""Return the line of the last top-level assignment to `name` in a Python file, or None.

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

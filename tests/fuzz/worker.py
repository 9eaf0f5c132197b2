"""A process that colorizes mutated files and reports which properties they violate; it may die without harm."""

from __future__ import annotations

import functools
import multiprocessing
import os
import resource
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Self

from fastapi.testclient import TestClient
from onnx import TensorProto, helper

from chromalab.colorization.colorizer import colorize_file
from chromalab.colorization.engine import Engine
from chromalab.colorization.options import Job, Options
from chromalab.colorization.plan import make_plan
from chromalab.colorization.records import Colorized
from chromalab.colorization.web.app import create_app
from chromalab.colorization.web.settings import ServerSettings
from chromalab.core.files import sha256_file
from chromalab.photo.reading import UnreadablePhotoError
from chromalab.weights.colorizers import find_colorizer
from tests.fuzz import reference

STEM = "zqx"
"""Name of the files, which no reason may contain."""

MAX_PIXELS = 1_000_000
SECONDS = 20.0
MEMORY_BYTES = 400 * 2**20
"""Memory that one file may take beyond what the process had before."""

_FILES_PER_PROCESS = 500
_ADDRESS_SPACE_BYTES = 3 * 2**30


class Worker:
    """Examines files in a child process, which is started again when a file ends it.

    Args:
        mode: `file` for `colorize_file`, `serve` for the HTTP API.
    """

    def __init__(self, mode: str) -> None:
        self._mode, self._count = mode, 0
        self._process: SpawnProcess | None = None
        self._connection: Connection[Any, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def violation(self, data: bytes, suffix: str, valid: bytes | None = None) -> str | None:
        """Return which property a file violates, in words, or None.

        Args:
            data: the file.
            suffix: suffix of its name.
            valid: the file before its mutation: as long as the output has its pixels, nothing is lost.
        """
        if self._process is None or self._count >= _FILES_PER_PROCESS:
            self._stop()
            self._start()
        assert self._connection is not None
        assert self._process is not None
        self._count += 1
        self._connection.send((data, suffix, valid))
        try:
            if not self._connection.poll(SECONDS):
                self._stop()
                return f"time: not finished within {SECONDS:g} s"
            found: str | None = self._connection.recv()
        except EOFError:
            self._process.join()
            code, self._process = self._process.exitcode, None
            return f"crash: the process ended with exit code {code}"
        return found

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, self._mode), daemon=True)
        self._process.start()
        other.close()
        self._count = 0

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _work(connection: Connection[Any, Any], mode: str) -> None:
    """Examine files until the other end closes."""
    os.environ["OMP_NUM_THREADS"] = "1"
    reference.configure()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        model = write_model(Path(folder) / "brown.onnx")
        if mode == "serve":
            settings = ServerSettings(models=[str(model)], workers=1, max_bytes=1_000_000, max_pixels=MAX_PIXELS)
            with TestClient(create_app(settings)) as client:
                _answer(connection, lambda data, suffix, _: refused_by_server(client, data, suffix))
        else:
            _answer(connection, Colorizer(Engine(find_colorizer(str(model)))).violation)


def _answer(connection: Connection[Any, Any], examine: Callable[[bytes, str, bytes | None], str | None]) -> None:
    _limit_address_space()
    before = 0
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        before = before or _peak_bytes()
        found = examine(*request)
        grown, before = _peak_bytes() - before, _peak_bytes()
        if found is None and grown > MEMORY_BYTES:
            found = f"memory: {grown / 2**20:.0f} MiB"
        connection.send(found)


def _limit_address_space() -> None:
    """Let large allocations fail, as they do on a machine with little memory; on Linux only."""
    facts = Path("/proc/self/statm")
    if not facts.exists():
        return
    pages = int(facts.read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + _ADDRESS_SPACE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_model(path: Path) -> Path:
    """Write a colorizer that predicts the same brown everywhere, without torch, with its record."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 1, 1, 1], [0.0, 0.0])
    color = helper.make_tensor("b", TensorProto.FLOAT, [2], [12.0, 20.0])
    gray = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, "h", "w_"])
    chroma = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, "h", "w_"])
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"])
    graph = helper.make_graph([node], "brown", [gray], [chroma], [weight, color])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".yaml").write_text(f"name: {path.stem}\nsha256: {sha256_file(path)}\n", encoding="utf-8")
    return path


class Colorizer:
    """Colorizes files and examines the outputs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def violation(self, data: bytes, suffix: str, valid: bytes | None) -> str | None:
        """Return which property a file violates, or None; see `Worker.violation`."""
        try:
            result, output = self._colorized(data, suffix)
        except UnreadablePhotoError as error:
            return _unclear(error.reason)
        except Exception as error:  # any other error is what the fuzzer looks for
            return f"error: {_place(error)}"
        found = _wrongly_done(result, data, output)
        if found is not None or result.warnings:
            return found
        lost = _lost(result, data)
        if lost is None or (valid is not None and reference.same_pixels(self._output(valid, suffix), output)):
            return None
        return lost

    @functools.cache  # noqa: B019 - one object exists in the process
    def _output(self, valid: bytes, suffix: str) -> bytes:
        return self._colorized(valid, suffix)[1]

    def _colorized(self, data: bytes, suffix: str) -> tuple[Colorized, bytes]:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            source, out = Path(folder) / (STEM + suffix), Path(folder) / "out"
            source.write_bytes(data)
            (item,) = make_plan([str(source)], f"{out}/").items
            try:
                result, _ = colorize_file(self._engine, source, item.output, Job(Options(), max_pixels=MAX_PIXELS))
            except UnreadablePhotoError:
                left = [path.name for path in out.glob("*")] if out.exists() else []
                assert left == [], "a failed photo leaves files"
                raise
            return result, item.output.read_bytes()


def _place(error: Exception) -> str:
    """Return an error and the innermost lines of chromalab that it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "chromalab" in frame.filename]
    lines = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[:-5:-1]]
    return f"{type(error).__name__}: {error} at {', called at '.join(lines)}"


def _wrongly_done(result: Colorized, data: bytes, output: bytes) -> str | None:
    """Return which property the output of a photo that is done violates, or None."""
    unclear = next(filter(None, map(_unclear, result.warnings)), None)
    if unclear is not None:
        return unclear
    if not reference.discloses(output):
        return "disclosure: missing in the output"
    sizes, expected = reference.upright_sizes(output), reference.upright_sizes(data)
    if not sizes:
        return "output: no other decoder opens it"
    if expected and not sizes & expected:
        return f"size: {sizes} in place of {expected}"
    return None


def _lost(result: Colorized, data: bytes) -> str | None:
    """Return what another decoder says is lost of a photo that is done without a warning, or None."""
    refusal = reference.refusal(data)
    if refusal is not None:
        return f"loss: done without a warning, but another decoder refuses it: {refusal}"
    try:
        pages = reference.page_count(data)
    except Exception as error:  # decoders of damaged files raise errors of all kinds
        return f"pages: done without a warning, but another decoder cannot list the pages: {error}"
    return None if result.pages == pages else f"pages: {result.pages} in place of {pages}"


def _unclear(reason: str) -> str | None:
    """Return what is wrong with a reason or warning, or None."""
    if not reason.strip() or not reason.isprintable() or STEM in reason or "/tmp" in reason:  # noqa: S108
        return f"reason: {reason!r} is empty, not one printable line, or has the path"
    return None


def refused_by_server(client: TestClient, data: bytes, suffix: str) -> str | None:
    """Upload a file to all paths and return the first answer that is an error of the server, or None."""
    requests: list[tuple[str, dict[str, Any]]] = [
        ("/v1/colorize", {}),
        ("/v1/colorize", {"preview": "true"}),
        ("/v1/grey", {}),
    ]
    for path, form in requests:
        try:
            answer = client.post(path, files={"file": (STEM + suffix, data)}, data=form)
        except Exception as error:  # a server would answer 500
            return f"server: {path} {form}: {_place(error)}"
        if answer.status_code not in {200, 413, 422}:
            return f"server: {path} {form} answers {answer.status_code}: {answer.text[:300]}"
        found = _unclear(answer.json()["detail"]) if answer.status_code == 422 else None
        if found is not None:
            return f"server: {path} {form}: {found}"
    return None

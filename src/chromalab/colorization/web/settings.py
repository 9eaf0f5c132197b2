"""Limits of the server."""

from __future__ import annotations

from pydantic import Field

from chromalab.core.records import Record


class ServerSettings(Record):
    """What the server allows.

    Attributes:
        models: names of shipped models, or paths of ONNX files, that clients may choose from; the first is the default.
        workers: photos at a time.
        queue: photos that may wait; more are sent away with 503.
        timeout_s: from a request's arrival to its result; then it ends with 504.
        max_bytes: of an upload.
        max_pixels: that a photo may declare.
        hosts: names under which the server may be asked for, beside localhost and the numbers of this machine.
    """

    models: list[str] = Field(min_length=1)
    workers: int = Field(default=1, ge=1)
    queue: int = Field(default=32, ge=0)
    timeout_s: float = Field(default=120.0, gt=0)
    max_bytes: int = Field(default=200_000_000, ge=1)
    max_pixels: int = Field(default=120_000_000, ge=1)
    hosts: list[str] = []

"""Settings of the server, without the packages that the server needs."""

from __future__ import annotations

from pydantic import Field

from chromalab.core.records import Record


class ServerSettings(Record):
    """Settings and limits of the server.

    Attributes:
        models: shipped models or ONNX files that clients can choose, by name or path; the first is the default.
        workers: number of photos that are processed at a time.
        queue: largest number of waiting photos; further requests get status 503.
        timeout_s: time limit from a request's arrival to its result, in seconds; afterwards it gets status 504.
        max_bytes: largest size of an upload.
        max_pixels: largest declared size of a photo.
        hosts: host names of the server, in addition to localhost.
    """

    models: list[str] = Field(min_length=1)
    workers: int = Field(default=1, ge=1)
    queue: int = Field(default=32, ge=0)
    timeout_s: float = Field(default=120.0, gt=0)
    max_bytes: int = Field(default=200_000_000, ge=1)
    max_pixels: int = Field(default=120_000_000, ge=1)
    hosts: list[str] = []

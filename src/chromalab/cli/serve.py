"""`chromalab serve`: the web page and HTTP API that colorize on this machine."""

from __future__ import annotations

from typing import Annotated

from chromalab.cli.options import LIMITS, MODEL, PERFORMANCE, SERVER, Default, OptionsFile, millions, option, units

_SETTINGS = "chromalab.colorization.web.settings:ServerSettings"


def serve(
    *,
    host: Annotated[str, option(SERVER, "ADDRESS",
        "Address to listen on; 0.0.0.0 serves other machines, too, under the names of --allow-host.")] = "127.0.0.1",
    port: Annotated[int, option(SERVER, "N", "Port to listen on (0 = any free port).", min=0, max=65535)] = 8000,
    allow_host: Annotated[list[str] | None, option(SERVER, "NAME",
        "Host name to answer to, besides localhost; repeatable.")] = None,
    model: Annotated[list[str] | None, option(MODEL, "NAME|FILE", "Name or ONNX file of a model that "
        "visitors can choose; repeatable; omit to offer all shipped models.")] = None,
    queue: Annotated[int, option(LIMITS, "N", "Number of photos that may wait.", min=0,
        default=Default(f"{_SETTINGS}.queue"))],
    timeout: Annotated[float, option(LIMITS, "SECONDS", "Seconds from a request to its result.", min=1,
        default=Default(f"{_SETTINGS}.timeout_s"))],
    max_megabytes: Annotated[float, option(LIMITS, "MB", "Largest upload, in megabytes.", min=0.001,
        default=Default(f"{_SETTINGS}.max_bytes", convert=millions))],
    max_megapixels: Annotated[float, option(LIMITS, "MP", "Largest photo, in megapixels.", min=0.001,
        default=Default(f"{_SETTINGS}.max_pixels", convert=millions))],
    workers: Annotated[int | None, option(PERFORMANCE, "N", "Photos processed at a time (0 or omitted = one per CPU "
        "core).", min=0)] = None,
    _options_file: OptionsFile = None,
) -> None:  # fmt: skip
    """Serve a web page and an HTTP API that colorize photos; photos never leave this machine."""
    from chromalab.colorization.web.settings import ServerSettings
    from chromalab.core.errors import UsageError
    from chromalab.core.parallel import cpu_count
    from chromalab.weights.colorizers import shipped_models

    try:
        from chromalab.colorization.web.app import run_server
        from chromalab.colorization.web.http import ALL_INTERFACES, in_brackets
    except ImportError as error:
        raise UsageError(f"the web page needs FastAPI; run pip install 'chromalab[serve]' ({error})") from error
    settings = ServerSettings(
        models=model or shipped_models(),
        workers=workers or cpu_count(),
        queue=queue,
        timeout_s=timeout,
        max_bytes=units(max_megabytes, "--max-megabytes"),
        max_pixels=units(max_megapixels, "--max-megapixels"),
        hosts=[*(allow_host or ()), *([in_brackets(host)] if host not in ALL_INTERFACES else ())],
    )
    run_server(settings, host, port)

"""`chromalab serve`: the local web page, and the HTTP API beside it."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; only this machine as a rule.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8000,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE.onnx", help="Models to choose from; all shipped ones as a rule; repeatable."),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Photos at a time; 0 takes the processors.")] = 0,
    queue: Annotated[int, typer.Option(min=0, help="Photos that may wait.")] = 32,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that a photo may take.")] = 120.0,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Of an upload.")] = 200.0,
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="That a photo may declare.")] = 120.0,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name that the server may be called by; repeatable."),
    ] = None,
) -> None:
    """Open a web page that colorizes photos on this machine; nothing leaves it."""
    from chromalab.core.errors import UsageError
    from chromalab.core.parallel import cpu_count
    from chromalab.weights.colorizers import shipped_models

    try:
        from chromalab.colorization.web.app import ServerSettings, run_server
    except ImportError as error:
        raise UsageError(f"the page needs FastAPI: pip install 'chromalab[serve]' ({error})") from error
    settings = ServerSettings(
        models=model or shipped_models(),
        workers=workers or cpu_count(),
        queue=queue,
        timeout_s=timeout,
        max_bytes=int(max_megabytes * 1e6),
        max_pixels=int(max_megapixels * 1e6),
        hosts=[*(allow_host or ()), *([host] if host not in {"0.0.0.0", "::"} else ())],  # noqa: S104
    )
    run_server(settings, host, port)

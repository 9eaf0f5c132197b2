"""The server process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import uvicorn

from chromalab.colorization.web.app import create_app
from chromalab.colorization.web.listening import listening

if TYPE_CHECKING:
    from chromalab.colorization.web.settings import ServerSettings


def run_server(settings: ServerSettings, host: str, port: int) -> None:
    """Serve until interrupted.

    Raises:
        UsageError: the address is taken or none of this machine, or a model can't be loaded.
    """
    app = create_app(settings)
    with listening(host, port) as listener:
        sys.stderr.write(f"chromalab is at http://{host}:{listener.getsockname()[1]}/ (stop with Ctrl-C)\n")
        sys.stderr.flush()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", server_header=False))
        server.run(sockets=[listener])

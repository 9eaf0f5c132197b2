"""The server process."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import uvicorn

from chromalab.colorization.web.app import create_app
from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from chromalab.colorization.web.settings import ServerSettings


def run_server(settings: ServerSettings, host: str, port: int) -> None:
    """Serve until interrupted.

    Raises:
        UsageError: the address is taken or none of this machine, or a model can't be loaded.
    """
    app = create_app(settings)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise UsageError(f"can't listen on {host} port {port}: {error.strerror}; choose another --port") from error
        sys.stderr.write(f"chromalab is at http://{host}:{listener.getsockname()[1]}/ (stop with Ctrl-C)\n")
        sys.stderr.flush()
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", server_header=False))
        server.run(sockets=[listener])

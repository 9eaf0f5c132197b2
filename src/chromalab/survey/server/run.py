"""The server process, or several."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import uvicorn

from chromalab.colorization.web.listening import listening
from chromalab.core.errors import UsageError
from chromalab.survey.server.app import ENVIRONMENT, create_app
from chromalab.survey.server.researcher import make_setup_token
from chromalab.survey.server.state import Survey

if TYPE_CHECKING:
    from chromalab.survey.server.settings import ServerSettings


def run_server(settings: ServerSettings, host: str, port: int, *, workers: int = 1, proxies: str = "127.0.0.1") -> None:
    """Serve a survey until interrupted.

    Args:
        settings: which survey, and how.
        host: the address to listen on.
        port: 0 takes any free one.
        workers: processes; more than one needs PostgreSQL.
        proxies: addresses of proxies whose word on a request's origin and scheme is taken.

    Raises:
        UsageError: no survey is there, the address is taken, or SQLite is asked to serve several processes.
        StorageError: the database can't be reached.
    """
    if workers > 1 and settings.database is None:
        raise UsageError("several workers need PostgreSQL: give --database postgresql://...")
    survey = Survey(settings)
    with survey.database.write() as connection:
        token = make_setup_token(connection)
    survey.close()
    with listening(host, port) as listener:
        address = settings.public_url or f"http://{host}:{listener.getsockname()[1]}"
        sys.stderr.write(f"the survey is at {address}/ (stop with Ctrl-C)\n")
        sys.stderr.write(
            f"researcher: set a password once at {address}/researcher/setup?token={token}\n"
            if token
            else f"researcher: {address}/researcher\n"
        )
        sys.stderr.flush()
        os.environ[ENVIRONMENT] = settings.model_dump_json()
        config = uvicorn.Config(
            "chromalab.survey.server.app:from_environment" if workers > 1 else create_app(settings),
            factory=workers > 1, workers=workers, access_log=False, log_level="warning", server_header=False,
            date_header=False, proxy_headers=True, forwarded_allow_ips=proxies, timeout_graceful_shutdown=5,
        )  # fmt: skip
        if workers > 1:
            from uvicorn.supervisors import Multiprocess  # noqa: PLC0415 - one process has no supervisor

            Multiprocess(config, sockets=[listener]).run()
        else:
            uvicorn.Server(config).run(sockets=[listener])

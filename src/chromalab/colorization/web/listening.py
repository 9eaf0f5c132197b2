"""The socket of a server, of this page's and of the survey's."""

from __future__ import annotations

import socket

from chromalab.core.errors import UsageError


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens: who comes before the application is ready waits instead of being refused.

    Raises:
        UsageError: the address is taken or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off where it sees TCP named; without that each answer waits 40 ms for the client.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(f"can't listen on {host} port {port}: {error.strerror}; choose another --port") from error
    return listener

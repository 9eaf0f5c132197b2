"""What a server of a survey is started with."""

from __future__ import annotations

from chromalab.core.records import Record


class ServerSettings(Record):
    """How to serve a survey.

    Attributes:
        folder: the survey's folder.
        database: URL of PostgreSQL; None takes the SQLite file in the folder.
        public_url: where people reach the server, for links; None takes the address of each request.
        joins_per_minute: people who may begin from one address in a minute.
        logins_per_minute: attempts at the researcher's password from one address in a minute.
        hosts: names under which the server may be asked for; empty allows any, as behind a proxy.
    """

    folder: str
    database: str | None = None
    public_url: str | None = None
    joins_per_minute: int = 30
    logins_per_minute: int = 10
    hosts: list[str] = []

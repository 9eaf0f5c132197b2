"""A temporary PostgreSQL server on a free port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _tool(name: str) -> str | None:
    found = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]
    return found[-1] if found else shutil.which(name)


def installed() -> bool:
    """Return whether PostgreSQL's tools are here."""
    return None not in {_tool(name) for name in ("initdb", "pg_ctl")}


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a server, and give its URL; skip where PostgreSQL is not installed, unless CI is set."""
    tools = {name: _tool(name) for name in ("initdb", "pg_ctl")}
    if not installed():
        if os.environ.get("CI") == "true":
            pytest.fail("CI installs PostgreSQL, but its tools are missing")
        pytest.skip("install PostgreSQL (Debian: postgresql) to run this test")
    folder.mkdir(mode=0o700)
    as_user: list[str] = []
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        temporary = Path(tempfile.gettempdir())
        for parent in folder.parents:
            if temporary in parent.parents:
                parent.chmod(parent.stat().st_mode | 0o111)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    run = [*as_user, str(tools["initdb"]), "-D", str(data), "-U", "survey", "--auth=trust", "-E", "UTF8"]
    subprocess.run(run, check=True, capture_output=True)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    control = [*as_user, str(tools["pg_ctl"]), "-D", str(data), "-w"]
    subprocess.run(
        [*control, "-o", options, "-l", str(folder / "log"), "start"],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"postgresql://survey@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            [*control, "-m", "immediate", "stop"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

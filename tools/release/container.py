"""Perform the steps of the Dockerfile without Docker, in a copy of this machine's file system.

The copy is an overlay: its changes are in memory and vanish afterwards. This machine and a virtual environment of its
Python replace the base image, so a program that the base image lacks stays unnoticed. Needs Linux and root.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

from tools import ROOT

_OVERLAY = """
set -eu
umask 022
mount -t tmpfs tmpfs {base}
mkdir {base}/changes {base}/work {base}/root
mount -t overlay overlay -o lowerdir=/,upperdir={base}/changes,workdir={base}/work {base}/root
mount --rbind /proc {base}/root/proc
mount --rbind /dev {base}/root/dev
mount --rbind {context} {base}/root/mnt
exec chroot {base}/root sh -eu -c {script}
"""
_PATH = "/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_SECONDS = 60


@dataclass
class Container:
    """What the instructions of a Dockerfile add up to.

    Attributes:
        steps: shell commands of COPY, RUN and WORKDIR, in order.
        user: user of the command.
        folder: its working folder.
        command: what the container runs.
        health: shell command that tells whether it works.
    """

    steps: list[str] = field(default_factory=list)
    user: str = "root"
    folder: str = "/"
    command: list[str] = field(default_factory=list)
    health: str = ""


def container_of(dockerfile: Path) -> Container:
    """Return what a Dockerfile builds, with /mnt as the folder of its files.

    Raises:
        ValueError: it has an instruction that is not understood here.
    """
    found, entry = Container(), list[str]()
    for item in DockerfileParser(str(dockerfile)).structure:
        name, value = item["instruction"], item["value"]
        if name == "COPY":
            *sources, target = value.split()
            copies = " ".join(f"/mnt/{source}" for source in sources)
            found.steps.append(f"mkdir -p {target} && cp {copies} {target}")
        elif name == "RUN":
            found.steps.append(value)
        elif name == "USER":
            found.user = value
        elif name == "WORKDIR":
            found.folder = value
            found.steps.append(f"mkdir -p {value}")
        elif name == "HEALTHCHECK":
            found.health = value.partition("CMD ")[2]
        elif name == "ENTRYPOINT":
            entry = json.loads(value)
        elif name == "CMD":
            found.command = [*entry, *json.loads(value)]
        elif name not in {"FROM", "EXPOSE", "COMMENT"}:
            raise ValueError(f"{dockerfile}: the instruction {name} is not understood: add it to {__name__}")
    return found


def script_of(container: Container) -> str:
    """Return a shell script that builds the container, runs it as its user and waits until it is healthy."""
    run = f"cd {container.folder} && exec {shlex.join(container.command)}"
    above_python = " ".join(map(str, Path(sys.base_prefix).parents))
    return "\n".join(
        [
            f"chmod a+x {above_python}",  # Python may be in the home of root
            f"{sys.executable} -m venv /venv",
            *container.steps,
            f"setpriv --reuid {container.user} --clear-groups sh -c {shlex.quote(run)} &",
            f"for second in $(seq {_SECONDS}); do",
            f"  if {container.health} 2>/dev/null; then kill $!; exit 0; fi",
            "  sleep 1",
            "done",
            "kill $!; exit 1",
        ]
    )


def rehearse_container(context: Path = ROOT) -> float:
    """Build and start the container of the Dockerfile.

    Args:
        context: folder of the Dockerfile and of the files it copies.

    Returns:
        Seconds until it was healthy.

    Raises:
        PermissionError: this process is not root.
        subprocess.CalledProcessError: a step fails, or the container does not become healthy.
    """
    if os.geteuid() != 0:
        raise PermissionError("the steps of the Dockerfile need root: run them as root, or build the image with Docker")
    started = time.monotonic()
    base = Path("/tmp/chromalab-container")  # noqa: S108 - an empty mount point
    base.mkdir(exist_ok=True)
    script = _OVERLAY.format(
        base=base, context=context, script=shlex.quote(script_of(container_of(context / "Dockerfile")))
    )
    environment = {"PATH": _PATH, "HOME": "/root"} | {k: v for k, v in os.environ.items() if k.startswith("PIP_")}
    subprocess.run(["/usr/bin/unshare", "--mount", "sh", "-c", script], check=True, env=environment)
    return time.monotonic() - started

"""The container that clones: waits for the agent's claim, then checks the commit out.

It asks for its GitHub token itself, so that the token is in no other container; the agent reads
what git said, cleaned of it, and the exit code.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from pathlib import Path

from .. import database_file
from ..checkout import basic_credentials, check_out
from ..errors import (
    AgentError,
    BadSettings,
    BadWorkOrder,
    CloneFailed,
    GaveUp,
    Refused,
    Stopped,
    TimedOut,
)
from ..keeper import adopt_orphans
from ..placing import put
from ..processes import Runner
from ..redaction import Redactor
from ..stopping import Stop, stop_on_signals
from ..work_order import commit_id, safe_url
from ..workspace import PASSED_ON
from . import api
from .settings import CloneSettings, read_clone_settings

DONE, FAILED, BAD_SETTINGS, NOT_CLAIMED, TERMINATED = 0, 1, 2, 3, 143
GRACE_SECONDS = 2.0


class NotClaimed(AgentError):
    """The Assignment is not this pod's: nothing is cloned."""


def main() -> int:
    os.umask(0o022)
    try:
        settings = read_clone_settings(os.environ)
        safe_url(settings.clone_url, "SWITCHYARD_CLONE_URL")
        commit_id(settings.commit, "SWITCHYARD_COMMIT")
    except (BadSettings, BadWorkOrder) as problem:
        print(problem, file=sys.stderr)
        return BAD_SETTINGS
    adopt_orphans()
    stop = Stop(GRACE_SECONDS)
    stop_on_signals(stop)
    stop.deadline.shorten(settings.caller.deadline_seconds)
    code = tried(settings, stop)
    put(settings.steps / "clone.rc", f"{code}\n")
    return code


def tried(settings: CloneSettings, stop: Stop) -> int:
    """The exit code; the reason goes to standard error, where the kubelet finds it."""
    try:
        clone(settings, stop)
    except (CloneFailed, TimedOut, OSError) as failure:
        print(failure, file=sys.stderr)
        return FAILED
    except (NotClaimed, Refused, GaveUp) as end:
        print(end, file=sys.stderr)
        return NOT_CLAIMED
    except Stopped as stopped:
        print(f"Stopped: {stopped}", file=sys.stderr)
        return TERMINATED
    return DONE


def clone(settings: CloneSettings, stop: Stop) -> None:
    """Raises NotClaimed, CloneFailed, Refused, GaveUp, Stopped or TimedOut."""
    ends_at = time.monotonic() + stop.deadline.remaining()
    await_claim(settings, stop)
    end_with_the_agent(settings, stop)
    wire = api.connect(settings.caller, stop.deadline)
    token = api.token(wire.deliver(api.git_token(), api.fields))
    secrets = [settings.caller.token, *([token, basic_credentials(token)] if token else [])]
    empty(settings.checkout)
    log = CleanLog(settings.steps / "clone.log", Redactor(secrets))
    try:
        check_out(
            settings,
            into=settings.checkout,
            token=token,
            runner=Runner(stop=stop, ends_at=ends_at, grace_seconds=GRACE_SECONDS),
            env=git_env(),
            sink=log.write,
        )
        if said := database_file.put_in_place(settings.checkout):
            log.write(f"{said}\n".encode())
    finally:
        log.close()


def await_claim(settings: CloneSettings, stop: Stop) -> None:
    """Raises NotClaimed or Stopped."""
    while not (settings.ctl / "claimed").exists():
        if (settings.ctl / "refused").exists():
            raise NotClaimed("the agent was not given this Assignment")
        if not stop.deadline.remaining():
            raise NotClaimed("the agent has not claimed this Assignment in time")
        stop.requested.wait(settings.look_seconds)
        stop.check()


def end_with_the_agent(settings: CloneSettings, stop: Stop) -> None:
    """Where it has said its last word, nobody needs the checkout: the pod ends with this container
    and builds nothing."""

    def watch() -> None:
        while not (settings.ctl / "quit").exists():
            if stop.requested.wait(settings.look_seconds):
                return
        stop.request("cancelled")

    threading.Thread(target=watch, name="quit", daemon=True).start()


def empty(folder: Path) -> None:
    """After a restart of the machine the containers of a pod run again."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def git_env() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name in PASSED_ON}
    home = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
    return {"PATH": os.defpath, **kept, **home}


class CleanLog:
    """A file for the agent, without the secrets that the agent does not know."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._file = path.open("wb", buffering=0)
        self._redactor = redactor
        self._held = b""

    def write(self, data: bytes) -> None:
        lines, newline, self._held = (self._held + data).rpartition(b"\n")
        if newline:
            self._file.write(self._redactor.clean(lines + newline))

    def close(self) -> None:
        self._file.write(self._redactor.clean(self._held))
        self._file.close()

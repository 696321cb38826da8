"""Brings the commit of a work order into a folder, with git.

A token goes to git in the environment, as an extra header for the clone URL's own host: it never
stands in an argument, a URL or the repository's configuration, where the tests would find it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from .errors import CloneFailed
from .processes import LastLines, Runner, Sink

FULL_LENGTHS = (40, 64)
STALLED = {"http.lowSpeedLimit": "1000", "http.lowSpeedTime": "60"}


class Source(Protocol):
    """What is to be checked out; a work order is one."""

    @property
    def clone_url(self) -> str: ...

    @property
    def commit(self) -> str: ...


def check_out(
    source: Source,
    *,
    into: Path,
    token: str,
    runner: Runner,
    env: Mapping[str, str],
    sink: Sink,
) -> None:
    """The commit alone where the server gives it away by its id; otherwise every branch and tag.
    `into` is new or empty. Raises CloneFailed with what git said."""
    git = _Git(into, runner, {**env, **_git_environment(source.clone_url, token)}, sink)
    into.mkdir(exist_ok=True)
    git.must("init", "--quiet", "--template=")
    git.must("remote", "add", "--", "origin", source.clone_url)
    exact = ("fetch", "--quiet", "--no-tags", "--depth=1", "origin", source.commit)
    if len(source.commit) not in FULL_LENGTHS or not git.can(*exact):
        git.must("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
    git.must("checkout", "--quiet", "--detach", source.commit)
    if (into / ".gitmodules").exists():
        git.must("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")


class _Git:
    def __init__(self, folder: Path, runner: Runner, env: Mapping[str, str], sink: Sink) -> None:
        self._folder, self._runner, self._env = folder, runner, env
        self._output = LastLines(sink)

    def can(self, *arguments: str) -> bool:
        argv = ("git", *arguments)
        return self._runner.run(argv, cwd=self._folder, env=self._env, sink=self._output) == 0

    def must(self, *arguments: str) -> None:
        if not self.can(*arguments):
            raise CloneFailed(f"git {arguments[0]} failed: {self._output.text()}")


def _git_environment(clone_url: str, token: str) -> dict[str, str]:
    """Nothing of the machine's own git settings, no questions asked, and the token's header."""
    parts = urlsplit(clone_url)
    # The folder may be somebody else's, who made it for this.
    config = {**STALLED, "advice.detachedHead": "false", "gc.auto": "0", "safe.directory": "*"}
    if token and parts.scheme in ("http", "https"):
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
        config[f"http.{origin}.extraHeader"] = f"Authorization: Basic {basic_credentials(token)}"
    numbered = {
        f"GIT_CONFIG_{part}_{index}": text
        for index, pair in enumerate(config.items())
        for part, text in zip(("KEY", "VALUE"), pair, strict=True)
    }
    return {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(config)),
        **numbered,
    }


def basic_credentials(token: str) -> str:
    return base64.b64encode(f"x-access-token:{token}".encode()).decode()

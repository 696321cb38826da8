"""How the commit gets here, and where the token does not go."""

from __future__ import annotations

import base64
import http.server
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker_image.conftest import MakeRepository, StartAgent, git, item
from tests.worker_image.control_plane import ControlPlane


class PrivateRepositories(http.server.SimpleHTTPRequestHandler):
    """Serves files to whoever has the token; anybody else is refused."""

    protocol_version = "HTTP/1.0"
    authorization = ""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.authorization:
            self.send_error(401)
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def private_url(make_repository: MakeRepository) -> Iterator[tuple[str, str]]:
    """A repository over HTTP that needs the token: its URL and its commit."""
    url, commit = make_repository({"spec/a_spec.rb": ""})
    folder = Path(url.removeprefix("file://"))
    git(folder, "update-server-info")
    credentials = base64.b64encode(b"x-access-token:ghs_privateToken").decode()

    class Handler(PrivateRepositories):
        authorization = f"Basic {credentials}"

        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder.parent))  # type: ignore[arg-type]

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/{folder.name}/.git", commit
    server.shutdown()
    server.server_close()


def test_the_token_reaches_git_and_stays_nowhere(
    control_plane: ControlPlane,
    start_agent: StartAgent,
    private_url: tuple[str, str],
    tmp_path: Path,
) -> None:
    recorder = tmp_path / "bin" / "git"
    recorder.parent.mkdir()
    recorder.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> {tmp_path}/argv\n"
        f'PATH="{os.environ["PATH"]}" exec git "$@"\n'
    )
    recorder.chmod(recorder.stat().st_mode | stat.S_IXUSR)
    control_plane.token = b"ghs_privateToken"
    control_plane.items = [item(*private_url, command="env; cat .git/config")]
    path = f"{recorder.parent}:{os.environ['PATH']}"
    agent = start_agent(PATH=path, SWITCHYARD_KEEP="1")
    assert agent.end() == 0
    assert control_plane.has("POST task_events repository_cloned")
    assert "fetch" in (tmp_path / "argv").read_text()
    places = [tmp_path / "argv", *(path for path in agent.work_dir.rglob("*") if path.is_file())]
    encoded = base64.b64encode(b"x-access-token:ghs_privateToken")
    for place in places:
        content = place.read_bytes()
        assert b"ghs_privateToken" not in content and encoded not in content, place
    assert b"x-access-token" not in control_plane.log("test_output")
    assert "REDACTED" not in control_plane.text("test_output")


def test_an_answer_that_is_no_token_is_none(
    control_plane: ControlPlane, start_agent: StartAgent, private_url: tuple[str, str]
) -> None:
    control_plane.token = b"<html>Sorry</html>"
    control_plane.items = [item(*private_url)]
    assert start_agent().end() == 0
    assert control_plane.has("POST task_events clone_failed")


def test_only_the_commit_is_fetched_where_the_server_gives_it(
    control_plane: ControlPlane, start_agent: StartAgent, make_repository: MakeRepository
) -> None:
    url, first = make_repository({"a": "1\n"})
    folder = Path(url.removeprefix("file://"))
    git(folder, "commit", "--quiet", "--allow-empty", "--message=Second")
    second = git(folder, "rev-parse", "HEAD")
    control_plane.items = [item(url, second, command="git log --format=%H")]
    start_agent().end()
    output = control_plane.text("test_output")
    assert second in output and first not in output


def test_an_abbreviated_commit_is_found_among_the_branches(
    control_plane: ControlPlane, start_agent: StartAgent, make_repository: MakeRepository
) -> None:
    url, commit = make_repository({"a": "1\n"})
    control_plane.items = [item(url, commit[:10], command="git rev-parse HEAD")]
    start_agent().end()
    assert f"{commit}\n" in control_plane.text("test_output")

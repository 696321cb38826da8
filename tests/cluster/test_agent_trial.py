"""The agent in poll mode in its image, with the rights and the variables that its compose file for
a trial gives it: a whole run in a pod."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sandbox.git_server import GitServer
from tests.cluster.agent_image import agent_image
from tests.cluster.agent_room import agent_room, as_agent
from tests.cluster.elsewhere import layout_of_the_cluster
from tests.worker_image.conftest import item, make_git_repository, trailer
from tests.worker_image.control_plane import PREFIX, ControlPlane, Recorded
from tests.worker_image.trial import SERVICE, environment

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

DOCKERFILE = "FROM any\nWORKDIR /app\nCOPY . .\nRUN echo baked > built\n"
TEST = """#!/bin/sh
echo "tested by $(id -u): $(cat built)"
mkdir -p "$(dirname "$SWITCHYARD_RESULTS")"
echo '{"examples": [], "summary": {"example_count": 0}}' >"$SWITCHYARD_RESULTS"
"""


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    """Its address, as pods reach it."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{server.server_address[0]!s}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def server_of(plane: ControlPlane, address: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            call = Recorded(
                method=self.command,
                path=self.path.removeprefix(PREFIX),
                headers=dict(self.headers),
                body=self.rfile.read(length),
            )
            status, body = plane.take(call)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = answer

    return ThreadingHTTPServer((address, 0), Handler)


def test_it_clones_builds_tests_and_reports(tmp_path: Path) -> None:
    layout, plane = layout_of_the_cluster(), ControlPlane()
    texts = {".saturnci/Dockerfile": DOCKERFILE, ".saturnci/test": TEST}
    _, commit = make_git_repository(tmp_path / "shop", texts)
    with ExitStack() as stack:
        git = stack.enter_context(serving(GitServer(tmp_path, bind=layout.address)))
        url = stack.enter_context(serving(server_of(plane, layout.address)))
        plane.items = [item(f"{git}/shop", commit)]
        given = {"WORKER_ID": "w-1", "WORKER_ACCESS_TOKEN": "t", "SWITCHYARD_POLL_SECONDS": "0.2"}
        variables = environment(SATURNCI_API_HOST=url, **given)
        container = as_agent(agent_image(layout)) | {
            "args": SERVICE["command"],
            "env": [{"name": name, "value": value} for name, value in variables.items()],
            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        }
        container.pop("command")
        room = stack.enter_context(agent_room())
        end = room.run(container, volumes=[{"name": "tmp", "emptyDir": {}}])
    assert end.code == 0, end.log
    assert "tested by 10001: baked" in plane.text("test_output"), plane.text("system_logs")
    assert plane.has("POST task_finished_events")
    assert trailer(plane) == "0"

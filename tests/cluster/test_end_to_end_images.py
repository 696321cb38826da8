"""Images of any kind: what an image is made of, and as whom it runs, is the customer's choice."""

import pytest

from tests.cluster.plane import Plane
from tests.cluster.repositories import Project, junit

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

# One static program and nothing else: no shell, no /tmp, no users.
DISTROLESS = """\
FROM {busybox} AS tools
FROM scratch
COPY --from=tools /bin/busybox /app/echo
WORKDIR /app
"""
WITH_ENTRYPOINT = """\
FROM {busybox}
WORKDIR /app
COPY . .
ENTRYPOINT ["/app/.saturnci/entry", "chosen"]
"""
ENTRY = """\
#!/bin/sh
export BY_ENTRYPOINT="$1"
shift
exec "$@"
"""
# The kubelet asks for the user of an image alone: a group that is named beside it is left out.
BY_NUMBER = "FROM {busybox}\nWORKDIR /app\nCOPY . .\nUSER 4711\n"
BY_NAME = """\
FROM {busybox}
RUN echo 'tester:x:4713:4714::/app:/bin/sh' >>/etc/passwd && mkdir /app && chown 4713 /app
WORKDIR /app
COPY --chown=tester . .
USER tester
"""


def says(text: str) -> str:
    """A test that passes where this shell text says yes."""
    return f"#!/bin/sh\nset -ex\n{text}\n{junit()}"


PROJECTS = {
    "distroless": (
        Project(name="distroless", dockerfile=DISTROLESS),
        f"set -e\ntest ! -e /bin/sh\n/app/echo 'no shell here'\n{junit()}",
    ),
    "entrypoint": (
        Project(
            name="entrypoint",
            dockerfile=WITH_ENTRYPOINT,
            files={".saturnci/entry": ENTRY},
            test=says('test "$BY_ENTRYPOINT" = chosen'),
        ),
        ".saturnci/test",
    ),
    "user-by-number": (
        Project(
            name="user-by-number",
            dockerfile=BY_NUMBER,
            test=says('test "$(id -u)" = 4711'),
        ),
        ".saturnci/test",
    ),
    "user-by-name": (
        Project(
            name="user-by-name",
            dockerfile=BY_NAME,
            test=says('test "$(id -un):$(id -u):$(id -g)" = tester:4713:4714; touch made'),
        ),
        ".saturnci/test",
    ),
}


@pytest.fixture(scope="module")
def tasks(plane: Plane) -> dict[str, str]:
    return {
        name: plane.run(project, command=command) for name, (project, command) in PROJECTS.items()
    }


@pytest.mark.parametrize("name", PROJECTS)
def test_the_tests_run_in_any_image(plane: Plane, tasks: dict[str, str], name: str) -> None:
    ended = plane.wait_end(tasks[name])
    assert (ended["state"], ended["category"]) == ("passed", "passed"), plane.story(tasks[name])
    assert [attempt["category"] for attempt in ended["attempts"]] == ["passed"]
    assert plane.results(tasks[name])["summary"]["example_count"] == 1
    plane.wait_gone(tasks[name])


def test_what_a_distroless_image_says_is_in_the_log(plane: Plane, tasks: dict[str, str]) -> None:
    plane.wait_end(tasks["distroless"])
    assert b"no shell here\n" in plane.log(tasks["distroless"], "test")

"""The way of a Task on a real cluster, from Rails' call until nothing of it is left."""

import pytest

from tests.cluster.plane import Plane
from tests.cluster.repositories import Project, compose_with

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

SERVICES = """\
    depends_on:
      web_page: {condition: service_healthy}
    environment:
      PAGE: http://web_page:8080/index.html
"""
WEB_PAGE = """\
  web_page:
    image: {busybox}
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        mkdir /www && echo served >/www/index.html && httpd -p 8080 -h /www
        while :; do sleep 1 & wait; done
    healthcheck:
      test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/index.html"]
      interval: 1s
"""
# Writes a line, then waits until somebody has seen it: the second half runs when it is told to.
TEST = """\
#!/usr/bin/env python3
import os, pathlib, time, urllib.request

print("the first line", flush=True)
said = urllib.request.urlopen(os.environ["PAGE"], timeout=10).read().decode().strip()
built = pathlib.Path("/app/built").read_text().strip()
time.sleep(float(os.environ["PAUSE"]))
print("the last line", flush=True)
pathlib.Path(os.environ["SWITCHYARD_RESULTS"]).with_name("junit.xml").write_text(f'''\\
<testsuite name="s" tests="2" failures="0" errors="0" time="0.1">
<testcase classname="page" name="{said}" time="0.1"/>
<testcase classname="image" name="{built}" time="0.1"/>
</testsuite>
''')
"""


def test_a_task_is_cloned_built_tested_beside_its_service_and_leaves_nothing(plane: Plane) -> None:
    project = Project(
        name="whole",
        dockerfile="FROM {base}\nWORKDIR /app\nCOPY . .\nRUN echo baked > built\n",
        test=TEST,
        compose=compose_with(SERVICES, WEB_PAGE),
    )
    task = plane.run(project, env_vars={"PAUSE": "4"})
    early = plane.wait_log(task, "test", b"the first line")
    assert b"the last line" not in early
    assert plane.task(task)["state"] == "running"
    ended = plane.wait_end(task)
    assert (ended["state"], ended["category"]) == ("passed", "passed"), plane.story(task)
    assert b"the last line" in plane.log(task, "test")
    examples = plane.results(task)["examples"]
    assert plane.results(task)["summary"]["example_count"] == 2, examples
    plane.wait_gone(task)

"""What the documents say of the agent in a pod is what it does."""

import re
from pathlib import Path

from worker_image.switchyard_agent import __main__ as program
from worker_image.switchyard_agent.job.report import EVENTS

ROOT = Path(__file__).resolve().parents[2]
AGENT = (ROOT / "worker_image" / "README.md").read_text()
POD = (ROOT / "kube" / "README.md").read_text()
JOB = ROOT / "worker_image" / "switchyard_agent" / "job"


def test_every_mode_is_documented() -> None:
    table = AGENT.partition("| Mode |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(program.MODES)


def test_every_event_of_a_pod_is_documented() -> None:
    told = set(re.findall(r"`([a-z_]+)`", AGENT.partition("# The agent in a pod")[2]))
    assert set(EVENTS) - told == set()


def test_every_variable_of_a_pod_is_documented() -> None:
    code = "".join(file.read_text() for file in JOB.glob("*.py"))
    code += (ROOT / "worker_image" / "wrapper").read_text()
    read = set(re.findall(r"SWITCHYARD_[A-Z_]*[A-Z]", code))
    assert read - set(re.findall(r"SWITCHYARD_[A-Z_]*[A-Z]", POD)) == set()


def test_every_file_that_the_containers_talk_by_is_documented() -> None:
    wrapper = (ROOT / "worker_image" / "wrapper").read_text()
    said = set(re.findall(r"^.*?put ([a-z]+) ", wrapper, re.MULTILINE))
    said |= set(re.findall(r'put "\$1\.([a-z]+)"', wrapper))
    asked = set(re.findall(r"\$sy_ctl/([a-z]+)\"", wrapper))
    control = set(re.findall(r'self\._put\("([a-z-]+)"', (JOB / "files.py").read_text()))
    assert said == {"ready", "stopped", "terminated", "oom", "rc"}
    for name in said | asked | control:
        assert re.search(rf"`(out|ctl)/(K\.)?{name}`|`out/K\.{name}`", POD), name

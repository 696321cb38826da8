"""What the test commands themselves wrote down, wherever they ran: the witness beside the rows.

Each line: begun or ended, the exit code (- at the beginning), the Task, and the folder. A droplet
and a pod have folders of their own, so a line tells in which one it was written.
"""

import re
import shlex
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.samples import TEST_COMMAND

PLACES = re.compile(r"/droplets/(?P<droplet>\d+)/|/pods/(?P<pod>[0-9a-f-]{36})/")


@dataclass
class Place:
    """What ran in one droplet or pod: `kind` says in which, `id` is the provider's or the UID."""

    kind: str
    id: str
    begun: list[str] = field(default_factory=list)
    ended: list[tuple[str, int]] = field(default_factory=list)


def command(path: Path, seconds: float) -> str:
    """Runs the tests as the repository wants them to be run, and writes down that it did. A whole
    suite takes so long."""
    file, test = shlex.quote(str(path)), f"SAMPLE_SECONDS={seconds:g} ./{TEST_COMMAND}"
    return (
        f'echo "begun - $TASK_ID $PWD/" >>{file}; {test}; code=$?; '
        f'echo "ended $code $TASK_ID $PWD/" >>{file}; exit $code'
    )


def read(path: Path) -> list[Place]:
    """Raises AssertionError for a line that tells no place."""
    places: dict[tuple[str, str], Place] = {}
    counted: dict[str, int] = defaultdict(int)
    for line in path.read_text().splitlines() if path.exists() else []:
        what, code, task, folder = line.split(" ", 3)
        counted[what] += 1
        found = PLACES.search(folder)
        assert found and found.lastgroup, f"the tests ran in no known place: {line}"
        key = (found.lastgroup, found[found.lastgroup])
        place = places.setdefault(key, Place(*key))
        if what == "begun":
            place.begun.append(task)
        else:
            place.ended.append((task, int(code)))
    assert counted["begun"], "no test command ever ran"
    return list(places.values())

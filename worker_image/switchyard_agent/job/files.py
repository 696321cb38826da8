"""The files by which the containers of the pod talk to each other (kube/README.md)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..placing import put
from ..plain_files import read_plain

LONGEST_NUMBER = 20
UNREADABLE = 255


class Control:
    """`ctl`: what the agent says to the others. Whatever was said before is not said again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def claimed(self) -> None:
        self._put("claimed", "")

    def refuse(self, why: str) -> None:
        self._put("refused", why)

    def step(self, number: int, script: str) -> None:
        self._put(f"step-{number}.sh", script)

    def test_files(self, text: str) -> None:
        self._put("test-files", text)

    def stop(self) -> None:
        """The step that runs is to end, and no other one begins."""
        self._put("stop", "")

    def quit(self) -> None:
        """Everything is uploaded."""
        self._put("quit", "")

    def _put(self, name: str, text: str) -> None:
        path = self.folder / name
        if not path.exists():
            put(path, text)
            path.chmod(0o644)


class Out:
    """`out`: what the wrapper answers. The steps of the tests can write there too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def code(self, step: int) -> int | None:
        """None where the step has not ended."""
        return number(self.folder, f"{step}.rc")

    @property
    def ready(self) -> bool:
        return self.has("ready")

    def idle(self, step: int) -> bool:
        """Nothing runs there any more, and nothing will: it was told to stop, it was terminated
        in its last step, or it has never begun."""
        ended = self.terminated and (step == 0 or self.code(step) is not None)
        return ended or self.has("stopped") or not self.ready

    @property
    def terminated(self) -> bool:
        """The container was asked to end: what its steps end with from here on says nothing."""
        return self.has("terminated")

    def ran_out_of_memory(self, step: int) -> bool:
        return self.has(f"{step}.oom")


def number(folder: Path, name: str) -> int | None:
    """What such a file says; None where it is not there, and 255 where it is no exit code."""
    text = ""
    with suppress(OSError):
        text = read_plain(folder, name, most=LONGEST_NUMBER).decode("ascii", "replace").strip()
        return min(int(text), UNREADABLE) if text.isascii() and text.isdigit() else UNREADABLE
    return None

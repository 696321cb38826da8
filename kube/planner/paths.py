"""Paths of the compose file: relative to its folder, and never out of the repository."""

import posixpath
import re

WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
OUTSIDE = "use a path inside the repository, as in ./data"


class BadPath(ValueError):
    """Says what is wrong with it; the remedy says what to write instead."""

    def __init__(self, message: str, remedy: str = OUTSIDE) -> None:
        super().__init__(message)
        self.remedy = remedy


def in_repository(folder: str, text: str) -> str:
    """The path relative to the repository's root, "" for the root itself. `folder` is where the
    path starts. Raises BadPath."""
    if text.startswith("~"):
        raise BadPath(f"`{text[:80]}` lies in the home of one machine")
    if text.endswith("docker.sock"):
        raise BadPath("there is no Docker here", "take it out, and start no containers from tests")
    if text.startswith("/") or WINDOWS.match(text):
        raise BadPath(f"`{text[:80]}` is an absolute path of one machine")
    if "\\" in text:
        raise BadPath(f"`{text[:80]}` has a backslash", "use / between folders")
    found = posixpath.normpath(posixpath.join(folder, text))
    if found == ".." or found.startswith("../"):
        raise BadPath(f"`{text[:80]}` leads out of the repository")
    return "" if found == "." else found


def is_path(source: str) -> bool:
    """Whether the source of a volume is a path rather than a name, as compose tells them apart."""
    return source[:1] in (".", "/", "~") or bool(WINDOWS.match(source))

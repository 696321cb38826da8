"""Where a container's paths are on this machine.

There are no mount namespaces: a container's root is a private directory, and whatever the pod says
about a path that differs between containers is said of its place in that directory.
"""

import re
from collections.abc import Iterable
from pathlib import Path

# A path begins where no other path, name or variable ends; or after the slashes of a URL.
_BEFORE = r"(?:(?<![\w.\-/})~*?\]])|(?<=[a-z]://))"
_AFTER = r"(?![\w\-]|\.[\w.])"


class Places:
    """`paths` are the absolute paths that lie in `root`. Text that one container writes for
    another to read is not touched: it must name paths by variables."""

    def __init__(self, root: Path, paths: Iterable[str]) -> None:
        self.root = root
        known = sorted({_clean(path) for path in paths} - {"/"}, key=len, reverse=True)
        choices = "|".join(re.escape(path) for path in known)
        self._pattern = re.compile(f"{_BEFORE}({choices}){_AFTER}") if known else None

    def place(self, path: str) -> Path:
        """Where this path of the container is."""
        return self.root / _clean(path).lstrip("/")

    def rewrite(self, text: str) -> str:
        """The text with every known path in it replaced by its place."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"{self.root}{found[1]}", text)


def _clean(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))

"""The files that belong to the project, and the modules among them."""

import ast
import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Self

ROOT = Path(__file__).resolve().parent.parent.parent
# Used only where there is no git to ask; the same as .gitignore says.
NOT_OURS = {
    ".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis",
    "var", "staticfiles", "node_modules", "vendor",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Module:
    """`path` is relative to the root of the tree."""

    path: PurePosixPath
    text: str

    @property
    def room(self) -> str:
        """The top folder, or the file itself when it lies in the root."""
        return self.path.parts[0]

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    def imports(self) -> list[tuple[int, str]]:
        """Line and dotted name of all that is imported, at whatever depth. `from a import b`
        gives `a.b`, because b may be a module; relative ones are made absolute.
        """
        found = []
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                found += [(node.lineno, f"{base}.{alias.name}".lstrip(".")) for alias in node.names]
        return found

    def _absolute(self, node: ast.ImportFrom) -> str:
        parents = self.path.parts[: -node.level] if node.level else ()
        return ".".join([*parents, node.module or ""]).rstrip(".")

    def strings(self) -> list[tuple[int, str]]:
        return [
            (node.lineno, node.value)
            for node in ast.walk(self.syntax)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]


@dataclass(frozen=True, kw_only=True)
class SourceTree:
    root: Path
    files: tuple[PurePosixPath, ...]

    @classmethod
    def read(cls, root: Path = ROOT) -> Self:
        names = _from_git(root)
        if names is None:
            names = _walk(root)
        return cls(root=root, files=tuple(sorted(PurePosixPath(name) for name in names)))

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        return tuple(
            Module(path=path, text=(self.root / path).read_text(encoding="utf-8"))
            for path in self.files
            if path.suffix == ".py"
        )

    @cached_property
    def texts(self) -> dict[PurePosixPath, str]:
        """Every file that is text in UTF-8."""
        texts = {}
        for path in self.files:
            try:
                texts[path] = (self.root / path).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
        return texts


def _from_git(root: Path) -> list[str] | None:
    """Tracked files and new ones that are not ignored. None: `root` is no git checkout of its
    own (a copy inside another checkout is not), or git cannot be asked.
    """
    if not (root / ".git").exists():
        return None
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-coz", "--exclude-standard"],
            capture_output=True, timeout=60, check=True, env=environ,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    names = listed.stdout.decode().split("\0")
    return [name for name in names if name and (root / name).is_file()]


def _walk(root: Path) -> list[str]:
    names = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in NOT_OURS]
        names += [(Path(folder) / name).relative_to(root).as_posix() for name in files]
    return names

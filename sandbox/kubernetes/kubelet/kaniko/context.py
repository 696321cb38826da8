"""The build context: which files of it a build sees, and where its Dockerfile is."""

import os
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

Excluded = Callable[[str], bool]


class ContextError(Exception):
    """The message is the executor's."""


def find_context(text: str, sub_path: str) -> Path:
    """Raises ContextError."""
    scheme, slashes, path = text.partition("://")
    if slashes and scheme != "dir":
        raise ContextError(
            f"unknown build context prefix provided, please use one of: dir://: {text}"
        )
    folder = Path(path if slashes else text) / sub_path
    if not folder.is_dir():
        raise ContextError(f"getting build context from path: stat {folder}: no such file")
    return folder


def find_dockerfile(text: str, context: Path) -> Path:
    """As given, else in the context. Raises ContextError."""
    for path in (Path(text), context / text):
        if path.is_file():
            return path.absolute()
    raise ContextError(
        "please provide a valid path to a Dockerfile within the build context with --dockerfile"
    )


def copy(context: Path, dockerfile: Path, place: Path) -> None:
    """The context without what its ignore file names, as links where that is possible."""
    excluded = _read_ignore_file(context, dockerfile)
    for folder, folders, names in os.walk(context):
        inside = os.path.relpath(folder, context)
        target = place / inside
        target.mkdir(parents=True, exist_ok=True)
        for name in [*folders, *names]:
            source, path = Path(folder, name), posixpath.normpath(posixpath.join(inside, name))
            if (source.is_symlink() or source.is_file()) and not excluded(path):
                _copy_file(source, target / name)
        # A folder that is left out may hold files that an exception brings back.
        folders[:] = [name for name in folders if not Path(folder, name).is_symlink()]
    _remove_empty_excluded(place, excluded)


def _copy_file(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _remove_empty_excluded(place: Path, excluded: Excluded) -> None:
    for folder, _, _ in os.walk(place, topdown=False):
        inside = os.path.relpath(folder, place)
        if inside != "." and excluded(inside) and not os.listdir(folder):
            os.rmdir(folder)


def _read_ignore_file(context: Path, dockerfile: Path) -> Excluded:
    """Of the Dockerfile itself, else of the context; the last pattern that fits decides."""
    for path in (Path(f"{dockerfile}.dockerignore"), context / ".dockerignore"):
        if path.is_file():
            rules = list(_rules(path.read_text("utf-8", "replace")))
            return lambda text: _decide(rules, text)
    return lambda text: False


def _decide(rules: list[tuple[bool, re.Pattern[str]]], path: str) -> bool:
    excluded = False
    for excludes, pattern in rules:
        if pattern.fullmatch(path):
            excluded = excludes
    return excluded


def _rules(text: str) -> Iterator[tuple[bool, re.Pattern[str]]]:
    for line in text.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        exception = pattern.startswith("!")
        cleaned = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
        yield not exception, re.compile(_expression(cleaned) + "(/.*)?")


def _expression(pattern: str) -> str:
    """As moby's patternmatcher: ** is any number of folders, * and ? stop at a slash."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    found = []
    for part in parts:
        if part.startswith("[") and part.endswith("]"):
            found.append(part)
        else:
            found.append(known.get(part) or re.escape(part))
    return "".join(found)

"""What the documents point at is there."""

import re
from pathlib import PurePosixPath

import pytest

from tests.architecture.source_tree import SourceTree

LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def dead_links(tree: SourceTree) -> list[str]:
    """One line for each relative link in a Markdown file that leads nowhere."""
    known = {file.as_posix() for file in tree.files}
    folders = {parent.as_posix() for file in tree.files for parent in file.parents}
    return [
        f"{path}: {target}"
        for path, text in tree.texts.items()
        if path.suffix == ".md"
        for target in LINK.findall(text)
        if _resolved(path, target) not in known | folders
    ]


def _resolved(path: PurePosixPath, target: str) -> str:
    parts: list[str] = []
    for part in (path.parent / target).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def test_every_link_leads_somewhere() -> None:
    assert dead_links(SourceTree.read()) == []


@pytest.mark.parametrize("target,dead", [("docs/a.md", False), ("docs/b.md", True)])
def test_a_dead_link_is_found(
    tmp_path_factory: pytest.TempPathFactory, target: str, dead: bool
) -> None:
    root = tmp_path_factory.mktemp("tree")
    (root / "docs").mkdir()
    (root / "docs" / "a.md").write_text("[up](../README.md)")
    (root / "README.md").write_text(f"[there]({target}) [out](https://example.com)")
    assert bool(dead_links(SourceTree.read(root))) is dead

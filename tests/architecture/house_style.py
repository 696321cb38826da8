"""The rules of the house that a program can check. Each checker gives one line per fault."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.architecture.source_tree import SourceTree

MOST_FILE_LINES = 350
MOST_FUNCTION_LINES = 60
CODE = {".py", ".rb", ".sh", ".html", ".css", ".js"}
# `utils` gathers what belongs elsewhere; `tasks` would mean two things here.
FORBIDDEN_FILES = {"utils.py", "tasks.py"}
FORBIDDEN_IMPORTS = {
    "unittest.mock": "tests use the real thing, or the sandbox",
    "mock": "tests use the real thing, or the sandbox",
    "pytest_mock": "tests use the real thing, or the sandbox",
    "django.db.models.signals": "no signals for control flow",
    "rest_framework.viewsets": "a view set exposes verbs that nobody chose",
}
# Written in pieces, because this file must pass too.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("rubygems", "org"), ("npmjs", "org"),
    )
]  # fmt: skip
INDEX_OPTIONS = ["--" + name for name in ("index-url", "extra-index-url", "find-links")]
MACHINE_FOLDERS = ["/" + name + "/" for name in ("work", "root", "Users")]
# The agent that runs in production lives there, on a droplet.
KNOWN_PATHS = ("/".join(("", "root", "worker_agent")),)


def files_too_long(tree: SourceTree) -> list[str]:
    return [
        f"{path}: {lines} lines, at most {MOST_FILE_LINES}"
        for path, text in tree.texts.items()
        if path.suffix in CODE and "migrations" not in path.parts
        if (lines := text.count("\n")) > MOST_FILE_LINES
    ]


def functions_too_long(tree: SourceTree) -> list[str]:
    return [
        f"{module.path}:{node.lineno}: {node.name} has {lines} lines, at most {MOST_FUNCTION_LINES}"
        for module in tree.modules
        for node in ast.walk(module.syntax)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_FUNCTION_LINES
    ]


def forbidden_names(tree: SourceTree) -> list[str]:
    return [
        f"{path}: no module is called so" for path in tree.files if path.name in FORBIDDEN_FILES
    ]


def unwanted_imports(tree: SourceTree) -> list[str]:
    return [
        f"{module.path}:{line}: {name}: {reason}"
        for module in tree.modules
        for line, name in module.imports()
        for unwanted, reason in FORBIDDEN_IMPORTS.items()
        if f"{name}.".startswith(f"{unwanted}.")
    ]


def digitalocean_outside_its_adapter(tree: SourceTree) -> list[str]:
    """Of all the product, one module of droplets imports the client library. Tests may too."""
    users = [
        module
        for module in tree.modules
        if module.room != "tests" and any(_is_digitalocean(name) for _, name in module.imports())
    ]
    outside = [f"{module.path}: not in droplets" for module in users if module.room != "droplets"]
    inside = [module for module in users if module.room == "droplets"]
    if len(inside) > 1:
        outside.append(f"more than one adapter: {', '.join(str(item.path) for item in inside)}")
    if not inside and any(module.room == "droplets" for module in tree.modules):
        outside.append("droplets: no module imports digitalocean")
    return outside


def _is_digitalocean(name: str) -> bool:
    return name.partition(".")[0] == "digitalocean"


def addresses_of_one_machine(tree: SourceTree) -> list[str]:
    """Package indexes and absolute paths, which hold on somebody's machine alone."""
    return [
        f"{path}:{number}: {found}"
        for path, text in tree.texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        for found in _addresses(path, line)
    ]


def _addresses(path: PurePosixPath, line: str) -> Iterator[str]:
    yield from (host for host in INDEX_HOSTS if host in line)
    if path.parts[0] == "requirements":
        yield from (option for option in INDEX_OPTIONS if f"{option} " in f"{line} ")
    for folder in MACHINE_FOLDERS:
        # `./work/`, `$HOME/work/` or `example.com/work/` is not an absolute path.
        for match in re.finditer(rf"(?<![\w.$~}})>/-]){re.escape(folder)}", line):
            if not line.startswith(KNOWN_PATHS, match.start()):
                yield line[match.start() : match.end() + 20].split()[0]


CHECKS = (
    files_too_long,
    functions_too_long,
    forbidden_names,
    unwanted_imports,
    digitalocean_outside_its_adapter,
    addresses_of_one_machine,
)

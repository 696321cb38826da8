"""Which room may import which: the rule as a table, and its checker."""

import re
import sys
from collections.abc import Iterator

from tests.architecture.source_tree import Module, SourceTree

# In an image the agent's package stands alone, so it has two names.
AGENT = {"worker_image", "switchyard_agent"}
APPS = {"controlplane", "dispatch", "droplets", "kube"} | AGENT
OURS = APPS | {"sandbox", "tests", "templates", "clients", "ops", "docs"}
# A folder that is not named here may import nothing of ours.
MAY_IMPORT: dict[str, set[str]] = {
    "manage.py": {"dispatch"},
    "controlplane": {"dispatch"},
    "dispatch": set(),
    "droplets": {"dispatch"},
    "kube": {"dispatch"},
    "worker_image": AGENT,
    "sandbox": APPS - {"controlplane"},
    "tests": OURS,
}
# The one place that names the backends.
SETTINGS = "controlplane/settings.py"
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def forbidden_imports(tree: SourceTree) -> list[str]:
    """One line for each import that crosses a border, be it a statement or a dotted string."""
    return [complaint for module in tree.modules for complaint in _complaints(module)]


def _complaints(module: Module) -> Iterator[str]:
    allowed = MAY_IMPORT.get(module.room, set()) | {module.room}
    for line, name in module.imports():
        room = name.partition(".")[0]
        if room in OURS - allowed:
            yield f"{module.path}:{line}: {module.room} must not import {name}"
        elif module.room == "worker_image" and room not in sys.stdlib_module_names | AGENT:
            yield f"{module.path}:{line}: {name} is not in the standard library"
    if module.room in APPS and str(module.path) != SETTINGS:
        for line, text in module.strings():
            # An import by its name is an import; a URL name or template path is no dotted one.
            if DOTTED.fullmatch(text) and text.partition(".")[0] in APPS - allowed:
                yield f"{module.path}:{line}: {module.room} must not name {text!r}"

"""Names that Kubernetes takes: DNS labels, each given once."""

import re
from dataclasses import dataclass, field

# What this backend is called in the settings and in rows.
BACKEND = "kubernetes"
LONGEST = 63
# Room for a number behind a name, and for what others put before it.
LONGEST_STEM = 48
NO_LABEL = re.compile(r"[^a-z0-9]+")

TOOLS, AGENT, CLONE, BUILDER, TEST = "tools", "agent", "clone", "kaniko", "test"
OURS = frozenset((TOOLS, AGENT, CLONE, BUILDER, TEST))
SEED = "seed-"
# The name that a pod has for itself.
HOSTNAME = "task"


def label_of(text: str) -> str:
    """A DNS label that looks like this text; `x` where nothing of it can stay."""
    return NO_LABEL.sub("-", text.lower()[:LONGEST_STEM]).strip("-") or "x"


@dataclass(kw_only=True)
class Names:
    """Gives each name once: `db`, `db-2`, …"""

    taken: set[str] = field(default_factory=set)
    _numbers: dict[str, int] = field(default_factory=dict)

    def take(self, text: str) -> str:
        stem = label_of(text)
        name = stem
        while name in self.taken or name.startswith(SEED):
            number = self._numbers[stem] = self._numbers.get(stem, 1) + 1
            name = f"{stem.removeprefix(SEED)}-{number}"
        self.taken.add(name)
        return name

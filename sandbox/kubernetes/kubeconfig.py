"""The kubeconfig file with which a real client finds this API."""

import json
import os
from pathlib import Path
from typing import Any


def write_kubeconfig(path: Path, url: str, tokens: dict[str, str]) -> None:
    """`tokens` by user name; the first is the current one. JSON is YAML too."""
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": {"server": url}}],
        "users": [{"name": name, "user": {"token": token}} for name, token in tokens.items()],
        "contexts": [
            {"name": name, "context": {"cluster": "sandbox", "user": name, "namespace": "default"}}
            for name in tokens
        ],
        "current-context": next(iter(tokens)),
    }
    draft = path.with_name(f".{path.name}")
    draft.write_text(json.dumps(config, indent=2))
    draft.chmod(0o600)
    os.replace(draft, path)

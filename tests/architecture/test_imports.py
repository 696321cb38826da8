"""The borders between the rooms hold, and the checker that says so can see a breach."""

import pytest

from tests.architecture.conftest import Plant
from tests.architecture.imports import MAY_IMPORT, forbidden_imports
from tests.architecture.source_tree import SourceTree


def test_no_room_imports_what_it_must_not() -> None:
    assert forbidden_imports(SourceTree.read()) == []


def test_the_project_was_really_read() -> None:
    rooms = {module.room for module in SourceTree.read().modules}
    assert {"controlplane", "dispatch", "worker_image", "tests"} <= rooms
    assert any(module.imports() for module in SourceTree.read().modules)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("dispatch/a.py", "import droplets"),
        ("dispatch/a.py", "from kube.client import Client"),
        ("dispatch/models/a.py", "def late():\n    import droplets.models"),
        ("dispatch/models/a.py", "from ...droplets import models"),
        ("dispatch/a.py", "import_module('droplets.models')"),
        ("dispatch/a.py", "import switchyard_agent"),
        ("droplets/a.py", "import kube.client"),
        ("droplets/a.py", "from controlplane import settings"),
        ("kube/a.py", "from droplets.models import Worker"),
        ("controlplane/a.py", "from droplets import pool"),
        ("controlplane/a.py", "import_string('kube.entry.ENTRY')"),
        ("sandbox/a.py", "import controlplane.settings"),
        ("clients/a.py", "import controlplane"),
        ("worker_image/switchyard_agent/a.py", "import requests"),
        ("worker_image/switchyard_agent/a.py", "import dispatch"),
        ("worker_image/switchyard_agent/a.py", "from django.conf import settings"),
        *((f"{app}/a.py", "from sandbox.digitalocean import api") for app in sorted(MAY_IMPORT)
          if app not in ("sandbox", "tests")),
    ],
)  # fmt: skip
def test_a_forbidden_import_is_found(plant: Plant, path: str, text: str) -> None:
    (complaint,) = forbidden_imports(plant({path: text}))
    assert complaint.startswith(f"{path}:")


def test_what_the_map_allows_is_left_alone(plant: Plant) -> None:
    tree = plant(
        {
            "controlplane/settings.py": "BACKENDS = {'droplets': 'droplets.entry.ENTRY'}",
            "controlplane/a.py": "from dispatch.models import Task",
            "dispatch/models/a.py": "import django\nfrom . import task\nfrom ..ids import new_id",
            "dispatch/a.py": "URL = 'droplets:list'\nNAME = 'droplets'",
            "droplets/a.py": "from dispatch.backends import Backend\nimport droplets.models",
            "kube/a.py": "import dispatch",
            "worker_image/switchyard_agent/a.py": "import json\nfrom .wire import send\n"
            "from switchyard_agent import errors\nfrom os import path",
            "sandbox/a.py": "import worker_image",
            "tests/a.py": "import controlplane.settings, droplets, sandbox",
        }
    )
    assert forbidden_imports(tree) == []

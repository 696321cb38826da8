"""The official client's models know every field of every manifest, and its type."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

CASES = sorted((Path(__file__).parent / "cases").glob("*/manifests.yml"))
KINDS = {"Job": "V1Job", "Secret": "V1Secret", "ConfigMap": "V1ConfigMap"}


def round_trip(manifest: dict[str, Any]) -> Any:
    api = client.ApiClient()
    try:
        text = json.dumps(manifest)
        model = api.deserialize(text, KINDS[manifest["kind"]], "application/json")
        return api.sanitize_for_serialization(model)
    finally:
        api.close()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_nothing_of_a_manifest_is_unknown_to_the_client(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text()):
        assert round_trip(manifest) == manifest


def test_a_field_that_is_not_there_would_be_seen() -> None:
    manifest = next(yaml.safe_load_all(CASES[0].read_text()))
    manifest["spec"]["template"]["spec"]["initContainers"][0]["imagePullPolice"] = "Always"
    try:
        assert round_trip(manifest) != manifest
    except (TypeError, ValueError):
        return

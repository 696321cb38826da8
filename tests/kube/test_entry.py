"""The Kubernetes backend's place in the control plane, and the checks of its settings."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from dispatch import env
from kube import checks
from kube.config import Config, config
from kube.entry import ENTRY
from kube.worker import KubernetesWorker


def test_it_is_the_new_backend_beside_the_old_one() -> None:
    assert settings.BACKENDS[settings.ROLLOUT["new"]] == "kube.entry.ENTRY"
    assert isinstance(ENTRY.backend(), KubernetesWorker)


def test_one_backend_alone_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"droplets": "one", "kubernetes": "other"}
    assert env.chosen("CHOICE", known) == known
    monkeypatch.setenv("CHOICE", "kubernetes")
    assert env.chosen("CHOICE", known) == {"kubernetes": "other"}
    monkeypatch.setenv("CHOICE", "droplet")
    with pytest.raises(env.EnvError, match="CHOICE has droplet: choose from droplets, kubernetes"):
        env.chosen("CHOICE", known)


def changed(**facts: Any) -> Config:
    found = config()
    manifest = {name: facts.pop(name) for name in list(facts) if hasattr(found.manifest, name)}
    return dataclasses.replace(
        found, manifest=dataclasses.replace(found.manifest, **manifest), **facts
    )


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({}, []),
        ({"kubeconfig": "/no/such/file"}, ["kube.E001"]),
        ({"namespace": "Workers"}, ["kube.E002"]),
        ({"installation": "-x"}, ["kube.E003"]),
        ({"registry": "https://registry.example.com"}, ["kube.E004"]),
        ({"control_plane_url": "switchyard.example.com"}, ["kube.E005"]),
        ({"control_plane_url": "http://switchyard.example.com"}, ["kube.W001"]),
        ({"registry_url": "registry.example.com:5000"}, ["kube.E006"]),
        ({"registry_url": "https://registry.example.com:5000"}, []),
        ({"registry_ca_file": "/no/such/file"}, ["kube.E007"]),
        ({"registry_username": "reader"}, ["kube.E008"]),
    ],
)
def test_settings_that_can_be_read_and_are_wrong_are_found(
    facts: dict[str, Any], found: list[str]
) -> None:
    assert [message.id for message in checks.look_at(changed(**facts))] == found


def test_a_kubeconfig_that_is_there_is_fine(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("{}")
    assert not list(checks.look_at(changed(kubeconfig=str(tmp_path / "kubeconfig"))))

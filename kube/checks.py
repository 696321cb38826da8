"""System checks of the Kubernetes backend's settings: readable, and yet wrong."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Warning

from kube.config import Config

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
REGISTRY = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._/-]+[a-z0-9]+)*)?")


def look_at(config: Config) -> Iterator[CheckMessage]:
    yield from _cluster(config)
    yield from _names(config)
    yield from _addresses(config)
    yield from _registry(config)


def _cluster(config: Config) -> Iterator[CheckMessage]:
    """Web needs no kubeconfig and should have none: only what is named is looked at."""
    if config.kubeconfig and not Path(config.kubeconfig).is_file():
        yield Error(
            f"SWITCHYARD_KUBECONFIG is {config.kubeconfig!r}, where no file is.",
            "Name the file, or leave it empty where our own pod's ServiceAccount is to be used.",
            id="kube.E001",
        )


def _names(config: Config) -> Iterator[CheckMessage]:
    if not LABEL.fullmatch(config.manifest.namespace):
        yield Error(
            f"SWITCHYARD_KUBE_NAMESPACE is {config.manifest.namespace!r}, which is no namespace.",
            "Use small letters, digits and hyphens, at most 63 of them.",
            id="kube.E002",
        )
    if not LABEL_VALUE.fullmatch(config.manifest.installation):
        yield Error(
            f"SWITCHYARD_KUBE_INSTALLATION is {config.manifest.installation!r}: no label's value.",
            "Use letters, digits, dots, underscores and hyphens, at most 63 of them.",
            id="kube.E003",
        )


def _addresses(config: Config) -> Iterator[CheckMessage]:
    if not REGISTRY.fullmatch(config.registry):
        yield Error(
            f"SWITCHYARD_KUBE_REGISTRY is {config.registry!r}, which no image can be called after.",
            "Use HOST[:PORT][/PATH] without a scheme, such as registry.example.com/switchyard.",
            id="kube.E004",
        )
    url = config.manifest.control_plane_url
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        yield Error(
            f"SWITCHYARD_KUBE_AGENT_API_URL is {url!r}, where no agent finds us.",
            "Use the address that pods reach us by, with its scheme.",
            id="kube.E005",
        )
    elif urlsplit(url).scheme == "http" and urlsplit(url).hostname not in (
        "127.0.0.1",
        "localhost",
    ):
        yield Warning(
            f"SWITCHYARD_KUBE_AGENT_API_URL is {url!r}: tokens would travel in the open.",
            "Use https, unless the network between the cluster and us is private.",
            id="kube.W001",
        )


def _registry(config: Config) -> Iterator[CheckMessage]:
    """How the controller sees it."""
    url = urlsplit(config.registry_url)
    if config.registry_url and (url.scheme not in ("http", "https") or not url.hostname):
        yield Error(
            f"SWITCHYARD_KUBE_REGISTRY_URL is {config.registry_url!r}, where no registry is found.",
            "Use the address that the controller reaches it by, with its scheme.",
            id="kube.E006",
        )
    if config.registry_ca_file and not Path(config.registry_ca_file).is_file():
        yield Error(
            f"SWITCHYARD_KUBE_REGISTRY_CA_FILE is {config.registry_ca_file!r}, where no file is.",
            "Name the certificate of the registry's authority, or leave it empty.",
            id="kube.E007",
        )
    if bool(config.registry_username) != bool(config.registry_password):
        yield Error(
            "Of SWITCHYARD_KUBE_REGISTRY_USERNAME and …_PASSWORD only one is set.",
            "Set both, or neither where the registry asks nobody.",
            id="kube.E008",
        )

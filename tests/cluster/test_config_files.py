import ipaddress
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.cluster import programs
from tests.cluster.config_files import write_all
from tests.cluster.layout import Layout
from tests.conformance.cluster import Cluster

# Of those that are built here: the others may not be installed where this runs.
BUILT = (programs.etcd, programs.api_server, programs.controller_manager, programs.scheduler)


@pytest.fixture
def written(layout: Layout) -> Layout:
    write_all(layout)
    return layout


def certificate(layout: Layout, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((layout.secrets / f"{name}.crt").read_bytes())


@pytest.mark.parametrize("command", BUILT)
def test_each_file_that_a_command_line_names_is_written(written: Layout, command: Any) -> None:
    values = [part.partition("=")[2] for part in command(written, 1)]
    named = [Path(value) for value in values if value.startswith(f"{written.secrets}/")]
    assert named
    assert [file for file in named if not file.is_file()] == []


def test_each_certificate_is_of_the_authority(written: Layout) -> None:
    authority = certificate(written, "ca")
    for file in written.secrets.glob("*.crt"):
        certificate(written, file.stem).verify_directly_issued_by(authority)


def test_a_server_has_a_certificate_for_the_address_it_is_asked_at(written: Layout) -> None:
    asked = {"kube-apiserver": written.address, "etcd": written.inner_address}
    for name, address in asked.items():
        extensions = certificate(written, name).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert ipaddress.ip_address(address) in names.get_values_for_type(x509.IPAddress)


def test_the_kubeconfig_is_one_that_clients_take(written: Layout) -> None:
    cluster = Cluster.of(written.kubeconfig)
    assert cluster.url == written.api_url
    authority = Path(str(cluster.session.verify))
    assert authority.read_text() == (written.secrets / "ca.crt").read_text()
    authority.unlink()


def test_only_root_may_read_what_opens_the_cluster(written: Layout) -> None:
    assert written.kubeconfig.stat().st_mode & 0o077 == 0
    assert written.secrets.stat().st_mode & 0o077 == 0


def test_no_two_clusters_share_a_secret(written: Layout) -> None:
    names = ("ca.crt", "accounts.key", "tokens.csv")
    before = [(written.secrets / name).read_text() for name in names]
    write_all(written)
    after = [(written.secrets / name).read_text() for name in names]
    assert not set(before) & set(after)


def test_whatever_containerd_and_the_kubelet_write_is_below_the_root(written: Layout) -> None:
    containerd = tomllib.loads((written.config / "containerd.toml").read_text())
    kubelet = yaml.safe_load((written.config / "kubelet.yaml").read_text())
    paths = [containerd["root"], containerd["state"], containerd["grpc"]["address"]]
    paths += [kubelet["podLogsDir"], kubelet["volumePluginDir"]]
    assert [path for path in paths if not Path(path).is_relative_to(written.root)] == []
    assert kubelet["containerRuntimeEndpoint"] == f"unix://{containerd['grpc']['address']}"


def test_containerd_asks_our_registry_without_tls(written: Layout) -> None:
    config = tomllib.loads((written.config / "containerd.toml").read_text())
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    registry = cri["sandbox_image"].partition("/")[0]
    hosts = Path(cri["registry"]["config_path"], registry, "hosts.toml")
    assert list(tomllib.loads(hosts.read_text())["host"]) == [f"http://{registry}"]

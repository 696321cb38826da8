"""The agent's image in a pod of its own, as the product's manifest runs it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube.manifest import ours
from kube.manifest.places import folder
from kube.manifest.settings import MI
from tests.cluster import agent_image as module
from tests.cluster.agent_image import agent_image, by_digest
from tests.cluster.agent_room import AgentRoom, agent_room, as_agent
from tests.cluster.base_image import base_image
from tests.cluster.elsewhere import layout_of_the_cluster
from tests.cluster.errors import ClusterError
from tests.cluster.images import crane
from tests.cluster.kept_images import digest_of
from tests.cluster.layout import Layout
from tests.conformance.cluster import unique
from tests.kube.making import make_settings
from worker_image.switchyard_agent import VERSION

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

# Each line is one that has to be seen. It reads all of the root file system.
LOOK = r"""
set -u
echo "user $(id -u):$(id -g) $(id -un)"
touch /opt/there 2>/dev/null || echo "nothing can be written"
python3 -c 'import sys; print("python", sys.version_info >= (3, 11))'
git --version | cut -d ' ' -f 1-2
test -s /etc/ssl/certs/ca-certificates.crt && echo "certificates"
find / -xdev -type f -perm /6000 2>/dev/null | wc -l | sed 's/^/with more rights: /'
python3 -m switchyard_agent --version
python3 -c "import os, switchyard_agent as m; print('compiled', os.path.exists(m.__cached__))"
"""
TOOLS = """
stat -c '%a %u %n' /saturn/bin/*
/saturn/bin/busybox sh -c 'echo it works'
"""


@pytest.fixture(scope="module")
def own() -> Layout:
    return layout_of_the_cluster()


@pytest.fixture(scope="module")
def image(own: Layout) -> str:
    return agent_image(own)


@pytest.fixture(scope="module")
def room() -> Iterator[AgentRoom]:
    with agent_room() as made:
        yield made


def test_it_has_what_the_agent_needs_and_no_rights_beyond(image: str, room: AgentRoom) -> None:
    end = room.run(as_agent(image, "sh", "-c", LOOK))
    assert end.log.splitlines() == [
        "user 10001:10001 switchyard",
        "nothing can be written",
        "python True",
        "git version",
        "certificates",
        "with more rights: 0",
        f"switchyard-agent {VERSION}",
        "compiled True",
    ]


def test_the_agent_starts_and_says_what_it_is_not_told(image: str, room: AgentRoom) -> None:
    end = room.run(as_agent(image, *ours.PROGRAM, "job"))
    assert end.code == 2
    assert end.log.strip().endswith("is not set: give it in the agent's environment"), end.log


def test_tools_puts_busybox_and_the_wrapper_into_place(
    image: str, own: Layout, room: AgentRoom
) -> None:
    tools = ours.tools(make_settings(agent_image=image))
    look = as_agent(own.busybox_image, "sh", "-c", TOOLS) | {"volumeMounts": [folder("bin")]}
    volumes = [{"name": "bin", "emptyDir": {}}]
    end = room.run(look, initContainers=[tools], volumes=volumes)
    assert end.log.splitlines() == [
        "755 10001 /saturn/bin/busybox",
        "644 10001 /saturn/bin/wrapper",
        "it works",
    ]


def test_it_starts_the_agent_where_nobody_says_what_to_start(image: str) -> None:
    config = json.loads(crane("config", image))["config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == list(ours.PROGRAM)


def test_it_adds_little_to_its_base(image: str, own: Layout) -> None:
    ours_, base = (packed_size(found) for found in (image, base_image(own)))
    print(f"The agent's image: {ours_ / MI:.1f} MB packed, {(ours_ - base) / MI:.1f} of them ours")
    assert ours_ - base < 5 * MI


def packed_size(image: str) -> int:
    manifest = json.loads(crane("manifest", image))
    return sum(layer["size"] for layer in manifest["layers"])


def test_a_base_that_has_not_what_it_takes_is_refused(own: Layout) -> None:
    busybox = by_digest(own.busybox_image)
    to = f"{own.registry}/{unique('never')}:1"
    with pytest.raises(ClusterError, match="(?s)could not be built.*apt-get: not found"):
        module._make(own, {"BASE": busybox, "BUSYBOX": busybox}, to, print)
    assert not digest_of(to)


def test_what_is_in_it_decides_which_one_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases = {"BASE": "base@sha256:1", "BUSYBOX": "busybox@sha256:2"}
    shutil.copytree(module.SOURCES, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    found = [module.fingerprint(bases), module.fingerprint({**bases, "BASE": "base@sha256:3"})]
    monkeypatch.setattr(module, "SOURCES", tmp_path / "copy")
    assert module.fingerprint(bases) == found[0]
    (tmp_path / "copy" / "README.md").write_text("another one")
    assert module.fingerprint(bases) == found[0]
    (tmp_path / "copy" / "wrapper").write_text("exit 1")
    assert len({*found, module.fingerprint(bases)}) == 3

"""What a container of an image that was pushed runs, and where."""

import uuid
from pathlib import Path
from typing import Any

from sandbox.kubernetes.registry.client import Registry
from tests.sandbox.kubelet_cluster import Cluster, Json

CONFIG: Json = {
    "Entrypoint": ["/app/entry.sh"],
    "Cmd": ["one", "two"],
    "Env": ["GREETING=hello", "GEMFILE=/app/Gemfile"],
    "WorkingDir": "/app",
}
ENTRY = '#!/bin/sh\necho "$@"; echo "$GREETING"; cat "$GEMFILE"; basename "$PWD"\n'


def push(cluster: Cluster, folder: Path, **config: Any) -> str:
    """An image with a small tree; its reference."""
    tree = folder / "tree"
    (tree / "app").mkdir(parents=True)
    (tree / "app" / "entry.sh").write_text(ENTRY)
    (tree / "app" / "entry.sh").chmod(0o755)
    (tree / "app" / "Gemfile").write_text("gems\n")
    registry = Registry(cluster.registry.url)
    layer = f"sha256:{uuid.uuid4().hex}{uuid.uuid4().hex}"
    registry.put_tree(layer, tree, ["/app"])
    name = f"acme/{cluster.namespace}"
    registry.push(name, "key", {"config": {**CONFIG, **config}}, {"digest": layer, "size": 9})
    return f"{cluster.registry_host}/{name}:key"


def test_an_image_says_itself_what_it_runs(cluster: Cluster, tmp_path: Path) -> None:
    image = push(cluster, tmp_path)
    pod = cluster.run(containers=[{"name": "main", "image": image}])
    pod.wait_end("Succeeded")
    assert pod.log() == "one two\nhello\ngems\napp\n"


def test_a_pod_may_say_otherwise(cluster: Cluster, tmp_path: Path) -> None:
    image = push(cluster, tmp_path)
    env = [{"name": "GREETING", "value": "bye"}]
    pod = cluster.run(
        initContainers=[{"name": "args", "image": image, "args": ["three"], "env": env}],
        containers=[{"name": "main", "image": image, "command": ["cat", "/app/Gemfile"]}],
    )
    pod.wait_end("Succeeded")
    assert pod.log("args") == "three\nbye\ngems\napp\n"
    assert pod.log() == "gems\n"


def test_each_container_has_its_own_copy_of_the_image(cluster: Cluster, tmp_path: Path) -> None:
    image = push(cluster, tmp_path)
    command = ["sh", "-c", "echo more >> Gemfile; cat Gemfile"]
    pod = cluster.run(
        initContainers=[{"name": "first", "image": image, "command": command}],
        containers=[{"name": "main", "image": image, "command": command}],
    )
    pod.wait_end("Succeeded")
    assert pod.log("first") == pod.log() == "gems\nmore\n"


def test_a_folder_that_the_image_lacks_is_not_the_machines(
    cluster: Cluster, tmp_path: Path
) -> None:
    image = push(cluster, tmp_path)
    assert Path("/var").is_dir()
    command = ["sh", "-c", '[ -d "$0" ] || echo none']
    container = {"name": "main", "image": image, "command": command, "args": ["/var"]}
    pod = cluster.run(containers=[container])
    pod.wait_end("Succeeded")
    assert pod.log() == "none\n"


def test_the_image_says_which_signal_ends_it_and_who_runs_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    image = push(cluster, tmp_path, StopSignal="SIGINT", User="app")
    script = "trap 'echo interrupted; exit 0' INT; while :; do sleep 0.05; done"
    container: Json = {"name": "main", "image": image, "command": ["sh", "-c", script]}
    pod = cluster.run(
        initContainers=[{**container, "name": "side", "restartPolicy": "Always"}],
        containers=[{**container, "command": ["sleep", "0.5"]}],
    )
    pod.wait_end("Succeeded")
    assert pod.log("side") == "interrupted\n"
    pod = cluster.run(
        "other", containers=[{**container, "securityContext": {"runAsNonRoot": True}}]
    )
    pod.wait(lambda: pod.reason("main") == "CreateContainerConfigError")
    message = pod.container("main")["state"]["waiting"]["message"]
    assert "image has non-numeric user (app), cannot verify user is non-root" in message

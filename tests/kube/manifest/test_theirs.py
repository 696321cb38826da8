"""The customer's containers: services, seeds and tests."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kube.manifest.job import manifests
from kube.manifest.theirs import SEED_SCRIPT
from tests.kube.making import (
    MAIN,
    container,
    make_manifests,
    make_plan,
    make_request,
    make_settings,
    with_main,
    with_service,
)
from tests.kube.structure import containers

NAMED = "volumes: {data: , ram: {driver_opts: {type: tmpfs, o: size=64m}}}\n"


def service(keys: str, rest: str = "") -> dict[str, Any]:
    return container(make_manifests(with_service(keys, rest)), "db")


@pytest.mark.parametrize(
    ("keys", "memory", "limit"),
    [
        ("init: true", "256Mi", "2Gi"),
        ("mem_limit: 1g", "256Mi", "1Gi"),
        ("mem_limit: 100m", "100Mi", "100Mi"),
        ("mem_limit: 1000000000", "256Mi", "1000000000"),
        ("mem_limit: 1g\nmem_reservation: 512m", "512Mi", "1Gi"),
        ("mem_reservation: 5g", "2Gi", "2Gi"),
        ("shm_size: 1g", "256Mi", "3Gi"),
        ("shm_size: 1g\nmem_limit: 1g", "256Mi", "1Gi"),
        ("tmpfs: '/x:size=1g'", "256Mi", "3Gi"),
        ("tmpfs: /x", "256Mi", "2560Mi"),
        ("volumes: ['ram:/x']", "256Mi", "2112Mi"),
    ],
)
def test_memory_is_composes_or_the_usual_with_what_lies_in_it(
    keys: str, memory: str, limit: str
) -> None:
    resources = service(keys, NAMED)["resources"]
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == (memory, limit)


@pytest.mark.parametrize(
    ("keys", "size", "memory", "limit"),
    [
        ("mem_limit: 2g\nmem_reservation: 1g", 0, "1Gi", "2Gi"),
        ("mem_limit: 2g\nmem_reservation: 1g", 1, "2Gi", "4Gi"),
        ("init: true", 1, "4Gi", "8Gi"),
    ],
)
def test_a_larger_class_gives_the_tests_more_than_compose_allows(
    keys: str, size: int, memory: str, limit: str
) -> None:
    resources = container(make_manifests(with_main(keys), size=size), "test")["resources"]
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == (memory, limit)


@pytest.mark.parametrize(
    ("keys", "request_", "limit"),
    [("init: true", "100m", "2"), ("cpus: 0.05", "50m", "50m"), ("cpus: 3.25", "100m", "3250m")],
)
def test_cpus_are_composes_or_the_usual(keys: str, request_: str, limit: str) -> None:
    resources = service(keys)["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == (request_, limit)


def test_shared_memory_is_a_file_system_in_memory() -> None:
    found = make_manifests(with_service("shm_size: 64m"))
    (mount,) = (m for m in container(found, "db")["volumeMounts"] if m["mountPath"] == "/dev/shm")
    volumes = found.job["spec"]["template"]["spec"]["volumes"]
    (volume,) = (item for item in volumes if item["name"] == mount["name"])
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "64Mi"}


def test_every_customers_container_has_the_hosts_file() -> None:
    for item in containers(make_manifests(with_service("init: true"))):
        has = any(mount["mountPath"] == "/etc/hosts" for mount in item["volumeMounts"])
        assert has is (item["name"] in ("db", "test"))


def test_a_folder_is_mounted_before_what_lies_in_it() -> None:
    keys = "volumes: ['./c:/app/a/c:ro', '..:/app', './b:/app/a']"
    mounts = container(make_manifests(with_main(keys)), "test")["volumeMounts"]
    ours = [item["mountPath"] for item in mounts if item["name"] == "checkout"]
    assert ours == ["/app", "/app/a", "/app/a/c"]


@pytest.mark.parametrize(
    ("keys", "command", "args"),
    [
        ("command: a b", None, ["a", "b"]),
        ("entrypoint: a b", ["a", "b"], None),
        ("entrypoint: a\ncommand: b", ["a"], ["b"]),
        ("entrypoint: []\ncommand: b", ["b"], None),
        ("entrypoint: a\ncommand: []", ["a"], None),
    ],
)
def test_words_go_where_kubernetes_looks_for_them(
    keys: str, command: list[str] | None, args: list[str] | None
) -> None:
    found = service(keys)
    assert (found.get("command"), found.get("args")) == (command, args)


def test_a_probe_has_composes_patience() -> None:
    probe = service("healthcheck: {test: x, interval: 20s, retries: 15, timeout: 3s}")[
        "startupProbe"
    ]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 300
    assert probe["timeoutSeconds"] == 3


def test_a_service_is_never_given_less_time_than_the_settings_say() -> None:
    compose = with_service("healthcheck: {test: x, interval: 2s, retries: 3}")
    for patience in (180, 20):
        settings = make_settings(service_patience=patience)
        found = container(manifests(make_plan(compose), make_request(), settings), "db")
        probe = found["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] == patience


def test_the_wrapper_takes_the_place_of_the_images_command() -> None:
    found = container(make_manifests(with_main("command: x\nentrypoint: y")), "test")
    assert found["command"] == ["/saturn/bin/busybox", "sh", "/saturn/bin/wrapper"]
    assert "args" not in found and found["imagePullPolicy"] == "Always"


def test_the_tests_may_write_their_output_and_nothing_else_of_ours() -> None:
    mounts = container(make_manifests(MAIN), "test")["volumeMounts"]
    writable = {m["name"] for m in mounts if not m.get("readOnly")}
    assert writable == {"out"}


def test_each_volume_with_content_is_filled_before_its_container_starts() -> None:
    compose = with_main(
        "depends_on: [db]\nvolumes: ['data:/gems', '/own', 'data:/same:nocopy']",
        f"  db: {{image: x, volumes: ['data:/y'], shm_size: 1g}}\n{NAMED}",
    )
    found = make_manifests(compose)
    assert [item["name"] for item in containers(found)][4:] == [
        "seed-db", "db", "seed-test", "test",
    ]  # fmt: skip
    seed = container(found, "seed-test")
    assert seed["args"] == ["/gems", "/saturn/seed/1", "/own", "/saturn/seed/2"]
    assert seed["image"] == container(found, "test")["image"]
    mounts = {item["mountPath"]: item["name"] for item in seed["volumeMounts"]}
    assert mounts["/saturn/seed/1"] == "data-data" and mounts["/saturn/seed/2"] == "data-own"


@pytest.fixture
def busybox(tmp_path: Path) -> str:
    """Stands where the static busybox does: its first argument is the applet."""
    program = tmp_path / "busybox"
    program.write_text('#!/bin/sh\nexec "$@"\n')
    program.chmod(0o755)
    return str(program)


def seed(busybox: str, *pairs: Path) -> int:
    shell = shutil.which("sh") or "/bin/sh"
    words = [shell, "-c", SEED_SCRIPT, busybox, *map(str, pairs)]
    return subprocess.run(words, timeout=30).returncode


def test_a_seed_copies_all_of_the_images_folder(tmp_path: Path, busybox: str) -> None:
    source, target, other = (tmp_path / name for name in ("a b", "target", "other"))
    (source / "sub").mkdir(parents=True)
    (source / ".hidden").write_text("h")
    (source / "sub" / "file").write_text("f")
    (source / "link").symlink_to("sub/file")
    target.mkdir()
    other.mkdir()
    assert seed(busybox, tmp_path / "missing", other, source, target) == 0
    assert (target / ".hidden").read_text() == "h" and (target / "sub" / "file").is_file()
    assert (target / "link").is_symlink() and list(other.iterdir()) == []


@pytest.mark.parametrize("name", ["file", ".hidden", "..odd"])
def test_a_seed_leaves_a_volume_alone_that_holds_something(
    tmp_path: Path, busybox: str, name: str
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "new").write_text("")
    (target / name).write_text("")
    assert seed(busybox, source, target) == 0
    assert [item.name for item in target.iterdir()] == [name]


def test_a_seed_that_cannot_copy_fails(tmp_path: Path, busybox: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "new").write_text("")
    assert seed(busybox, source, tmp_path / "nowhere" / "deep") != 0

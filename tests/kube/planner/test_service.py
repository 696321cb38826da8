"""One service of a compose file, read."""

from typing import Any

import pytest

from tests.kube.making import make_plan, problems_of, service_problem, with_main, with_service

MI = 1024**2


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ("mem_limit: 512m", "memory_bytes", 512 * MI),
        ("mem_limit: 536870912", "memory_bytes", 512 * MI),
        ("deploy: {resources: {limits: {memory: 1G}}}", "memory_bytes", 1024 * MI),
        ("mem_reservation: 100m", "memory_request_bytes", 100 * MI),
        ("deploy: {resources: {reservations: {memory: 64M}}}", "memory_request_bytes", 64 * MI),
        ("cpus: 1.5", "cpus", 1.5),
        ("cpus: '0.25'", "cpus", 0.25),
        ("deploy: {resources: {limits: {cpus: '2'}}}", "cpus", 2),
        ("shm_size: 2gb", "shm_bytes", 2048 * MI),
        ("user: '1000'", "user", 1000),
        ("user: 1000:2000", "group", 2000),
        ("user: root", "user", 0),
        ("user: '${UID:-1001}:${GID:-1001}'", "group", 1001),
        ("working_dir: /srv", "working_dir", "/srv"),
        ("read_only: true", "read_only", True),
        ("platform: linux/amd64", "name", "db"),
        ("scale: 1", "name", "db"),
        ("deploy: {replicas: 1, mode: global}", "name", "db"),
    ],
)
def test_a_key_becomes_what_a_pod_can_say(keys: str, field: str, value: Any) -> None:
    (service,) = make_plan(with_service(keys)).services
    assert getattr(service, field) == value


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("mem_limit: 1k", "mem_limit: nothing runs in so little memory"),
        ("mem_limit: lots", "mem_limit: `lots` is not what is read here; give a size"),
        ("mem_limit: [1]", "mem_limit: a list is not what is read here; give a size"),
        ("cpus: many", "cpus: `many`"),
        ("cpus: -1", "cpus: `-1`"),
        ("cpus: .inf", "cpus: `+Inf`"),
        ("shm_size: 99999999999999999999", "shm_size"),
        ("user: postgres", "user: `postgres` is not known outside of the image"),
        ("user: 1000:staff", "user: `1000:staff`"),
        ("user: 4294967295", "user: `4294967295`"),
        ("working_dir: srv", "working_dir: `srv` is relative"),
        ("read_only: maybe", "read_only: `maybe` is not what is read here"),
        ("platform: linux/arm64", "platform: `linux/arm64` is not what the nodes are"),
        ("scale: 0", "scale: each service runs once"),
        ("scale: many", "scale: `many`"),
        ("deploy: {replicas: 2}", "deploy.replicas: each service runs once"),
        ("deploy: {resources: {limits: {mem: 1}}}", "deploy.resources.limits.mem: is no key"),
        ("deploy: []", "deploy: a list is not what is read here; give a mapping"),
        ("stop_grace_period: 10", "stop_grace_period: `10` is not what is read here"),
        ("profiles: [a]", "profiles: no profile is active"),
        ("build: .", "build: one image is built"),
    ],
)
def test_what_a_pod_cannot_say_is_told(keys: str, words: str) -> None:
    assert any(f"service db, {words}" in problem for problem in problems_of(with_service(keys)))


@pytest.mark.parametrize(
    "image",
    [
        "postgres",
        "postgres:17.2-alpine",
        "library/postgres",
        "registry.example.com:5000/a/b_c/d--e:V1.0_x",
        "localhost/x",
        "redis@sha256:" + "0a" * 32,
        "a/b:c@sha256:" + "0" * 64,
        "${REGISTRY:-ghcr.io}/x:${TAG-1}",
    ],
)
def test_an_image_is_whatever_docker_takes_for_one(image: str) -> None:
    compose = with_main("depends_on: [db]", f"  db: {{image: '{image}'}}\n")
    assert problems_of(compose) == []


@pytest.mark.parametrize(
    "image", ["", "Postgres", "a b", "-a", "a:", "a@sha256:1", "$TAG", "a" * 500]
)
def test_what_is_no_image_is_told(image: str) -> None:
    compose = with_main("depends_on: [db]", f"  db: {{image: '{image}'}}\n")
    (problem,) = problems_of(compose)
    assert problem.startswith("service db, image: ")


@pytest.mark.parametrize(
    ("main", "other"),
    [("shop", "shop"), ("shop:latest", "shop"), ("${IMAGE:-shop}", "shop"), ("a/b:1", "a/b:1")],
)
def test_a_service_may_run_the_image_that_is_built(main: str, other: str) -> None:
    compose = with_main(f"image: {main}\ndepends_on: [w]", f"  w: {{image: '{other}'}}\n")
    assert make_plan(compose).services[0].image == ""


def test_another_tag_is_another_image() -> None:
    compose = with_main("image: shop:1\ndepends_on: [w]", "  w: {image: 'shop:2'}\n")
    assert make_plan(compose).services[0].image == "shop:2"


def test_the_longest_stop_counts() -> None:
    compose = with_service("stop_grace_period: 1m30s").replace(
        "[db]", "[db]\n    stop_grace_period: 1500ms"
    )
    assert make_plan(compose).stop_seconds == 90


def test_the_names_of_containers_are_labels_and_given_once() -> None:
    names = ["my_db", "my-db", "My.Db", "agent", "kaniko", "test", "seed-x", "_", "x" * 100]
    services = "".join(f"  {name}: {{image: a}}\n" for name in names)
    plan = make_plan(with_main(f"depends_on: [{', '.join(names)}]", services))
    assert [service.container for service in plan.services] == [
        "my-db", "my-db-2", "my-db-3", "agent-2", "kaniko-2", "test-2", "x-2", "x", "x" * 48,
    ]  # fmt: skip


def test_a_service_of_no_keys_at_all_has_no_image() -> None:
    assert (
        "service db, services: is no mapping"
        in problems_of(with_main("depends_on: [db]", "  db:\n"))[0]
    )


def test_a_value_that_is_not_printable_is_told() -> None:
    assert "holds a control character" in service_problem('working_dir: "/a\\tb"')

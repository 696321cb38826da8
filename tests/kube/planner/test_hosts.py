"""Every name that a service has leads to the pod."""

import pytest

from tests.kube.making import make_plan, service_problem, with_service


def hosts(keys: str) -> dict[str, str]:
    found = dict(make_plan(with_service(keys)).hosts)
    assert found.pop("db") == found.pop("saturn_test_app") == "127.0.0.1"
    return found


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ("hostname: my_host", ["my_host"]),
        ("container_name: shop-db", ["shop-db"]),
        ("networks: {default: {aliases: [a, b.example]}, other: }", ["a", "b.example"]),
        ("networks: [default]", []),
        ("hostname: localhost", []),
        ("hostname: task", []),
        ("extra_hosts: ['h:host-gateway']", ["h"]),
    ],
)
def test_names_lead_to_the_pod(keys: str, names: list[str]) -> None:
    assert hosts(keys) == dict.fromkeys(names, "127.0.0.1")


@pytest.mark.parametrize(
    "keys",
    [
        "extra_hosts: ['a:10.0.0.1', 'b=fe80::1', 'c:[::1]']",
        "extra_hosts: {a: 10.0.0.1, b: 'fe80::1', c: ['::1']}",
        "extra_hosts: [a=10.0.0.1, 'b:fe80::1', c=::1]",
    ],
)
def test_other_hosts_keep_their_addresses(keys: str) -> None:
    assert hosts(keys) == {"a": "10.0.0.1", "b": "fe80::1", "c": "::1"}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("extra_hosts: ['a:nowhere']", "`nowhere` is no address"),
        ("extra_hosts: [a]", "`` is no address"),
        ("extra_hosts: ['db:10.0.0.1']", "`db` would be both 127.0.0.1 and 10.0.0.1"),
        ("extra_hosts: ['localhost:10.0.0.1']", "`localhost` is this pod"),
        ("extra_hosts: ['a b:10.0.0.1']", "`a b` is no name of a host"),
        ("hostname: 'a b'", "`a b` is no name of a host"),
        ('hostname: "a\\nb"', "holds a control character"),
        ("networks: {default: {ipv4_address: 10.0.0.5}}", "networks.default.ipv4_address: the"),
        ("networks: {default: {alias: [x]}}", "did you mean `aliases`?"),
        ("networks: {default: [x]}", "a list is not what is read here"),
    ],
)
def test_a_name_that_cannot_be_is_told(keys: str, words: str) -> None:
    assert words in service_problem(keys)


@pytest.mark.parametrize(
    ("network", "words"),
    [("{external: true}", "networks.shared.external: an external network is not there"),
     ("{externl: true}", "did you mean `external`?")],
)  # fmt: skip
def test_a_network_must_be_the_files_own(network: str, words: str) -> None:
    problem = service_problem("networks: [shared]", f"networks: {{shared: {network}}}\n")
    assert problem.startswith("service db, ") and words in problem


def test_a_network_that_nobody_needs_may_be_anything() -> None:
    make_plan(with_service("init: true", "networks: {x: {external: true}}\n"))

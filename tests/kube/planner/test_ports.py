"""Two services that listen on one port are found before they meet in one pod."""

import pytest

from tests.kube.making import problems_of, service_problem, with_main


def two(first: str, second: str) -> list[str]:
    """What is wrong with two services of these keys."""
    services = f"  one: {{{first}}}\n  two: {{{second}}}\n"
    return problems_of(with_main("depends_on: [one, two]", services))


def of(keys: str) -> str:
    return f"image: example/x, {keys}"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (of("ports: ['8080:80']"), of("ports: ['9090:80']")),
        (of("ports: [80]"), of("expose: ['80']")),
        (of("ports: ['127.0.0.1:1:80/tcp']"), of("expose: [80]")),
        (of("ports: ['[::1]:1:80']"), of("expose: [80]")),
        (of("ports: ['1-3:80-82']"), of("expose: ['82-90/tcp']")),
        (of("ports: [{target: 80, published: 1}]"), of("expose: [80]")),
        (of("ports: [{target: '80', protocol: TCP}]"), of("expose: [80]")),
        (of("ports: ['${P:-80}']"), of("expose: [80]")),
        ("image: 'postgres:17'", f"image: 'docker.io/postgis/postgis:16@sha256:{'a' * 64}'"),
        ("image: redis", of("expose: [6379]")),
    ],
)
def test_one_port_for_two_is_a_problem(first: str, second: str) -> None:
    (problem,) = two(first, second)
    assert problem.startswith("service two, ports: the services one and two both listen on")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (of("ports: ['80:80']"), of("ports: ['80:81']")),
        (of("expose: ['80/udp']"), of("expose: ['80/tcp']")),
        (of("expose: ['80-89']"), of("expose: ['90-99']")),
        ("image: redis", "image: redis, command: redis-server --port 6380"),
        ("image: postgres", "image: postgres, environment: {PGPORT: 5433}"),
        ("image: postgres", "image: postgres, command: [-p, '5433']"),
        ("image: selenium/standalone-chrome",
         "image: selenium/standalone-firefox, environment: {SE_OPTS: --port 4445}"),
    ],
)  # fmt: skip
def test_two_ports_for_two_are_fine(first: str, second: str) -> None:
    assert two(first, second) == []


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("ports: [http]", "`http` is no port"),
        ("ports: ['80/quic']", "`80/quic` is no port"),
        ("ports: ['']", "`` is no port"),
        ("ports: [70000]", "is out of range"),
        ("ports: ['90-80']", "is out of range"),
        ("expose: [0]", "is out of range"),
        ("ports: [{published: 80}]", "ports.target: is missing"),
        ("ports: {a: b}", "a mapping is not what is read here"),
        ("ports: [[80]]", "a list is not what is read here"),
    ],
)
def test_what_is_no_port_is_told(keys: str, words: str) -> None:
    assert words in service_problem(keys)

"""What an image that the builder made is run with, and what its Dockerfile's variables become."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.cluster.building import End, Order, Site, building_site
from tests.cluster.built_image import Entry
from tests.conformance.cluster import Json

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

ALL = """\
ARG OUTER=1
ARG GIVEN=outer
FROM {base}
ARG OUTER
ARG GIVEN=inner
ARG CHANGED=default
ARG BOTH=argument
ARG NEVER
ENV A=a B="b c" C=$OUTER-${CHANGED} PATH=/extra:$PATH
ENV BOTH=environment
ENV OLD style value
RUN env > /seen
LABEL one=1 "two words"="x $A"
EXPOSE 80 443/udp 90${OUTER}
VOLUME /data
WORKDIR /a
WORKDIR b
WORKDIR $A
USER nobody
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --retries=2 CMD true
ENTRYPOINT ["/entry", "point"]
CMD ["some", "words"]
"""
GIVEN = {"CHANGED": "given", "GIVEN": "given", "UNUSED": "given"}
ORDERS = {
    "all": Order(dockerfile=ALL, arguments=GIVEN),
    "shell": Order(dockerfile='FROM {base}\nENTRYPOINT exec "$A" b\nCMD one "two"\n'),
    "other-shell": Order(dockerfile='FROM {base}\nSHELL ["/bin/sh", "-ec"]\nCMD one\n'),
    "base": Order(dockerfile='FROM {base} AS one\nENTRYPOINT ["/e"]\nUSER 7\nFROM one\nENV A=a\n'),
    "from-argument": Order(
        dockerfile="ARG NAME=nope\nFROM ${NAME}\nENV A=a\n", arguments={"NAME": "{base}"}
    ),
}
Config = Callable[[str], Json]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with building_site() as site:
        for name, order in ORDERS.items():
            site.start(name, order)
        yield site


@pytest.fixture(scope="module")
def ended(site: Site) -> Callable[[str], End]:
    return cache(site.end)


@pytest.fixture(scope="module")
def config(site: Site, ended: Callable[[str], End]) -> Config:
    @cache
    def config(name: str) -> Json:
        assert ended(name).code == 0, ended(name).last_line
        return site.built(name).config()

    return config


@pytest.fixture(scope="module")
def files(site: Site, config: Config) -> dict[str, Entry]:
    assert config("all")
    return site.built("all").files()


CONFIG = {
    "Entrypoint": ["/entry", "point"],
    "Cmd": ["some", "words"],
    "User": "nobody",
    "WorkingDir": "/a/b/a",
    "Labels": {"one": "1", "two words": "x a"},
    "ExposedPorts": {"80/tcp": {}, "443/udp": {}, "901/tcp": {}},
    "Volumes": {"/data": {}},
    "StopSignal": "SIGINT",
    "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000, "Retries": 2},
    "Env": [
        "PATH=/extra:/bin",
        "A=a",
        "B=b c",
        "C=1-given",
        "BOTH=environment",
        "OLD=style value",
    ],
}


@pytest.mark.parametrize("key", CONFIG)
def test_the_image_has_what_the_dockerfile_says(config: Config, key: str) -> None:
    assert config("all")[key] == CONFIG[key]


def test_a_step_sees_arguments_and_environment_and_nothing_of_the_builder(
    files: dict[str, Entry],
) -> None:
    seen = dict(line.split("=", 1) for line in files["/seen"].content.splitlines())
    # What a shell adds by itself.
    for name in ("PWD", "SHLVL", "_"):
        seen.pop(name, None)
    assert seen == {
        "PATH": "/extra:/bin",
        "HOME": "/root",
        "OUTER": "1",
        "GIVEN": "given",
        "CHANGED": "given",
        "A": "a",
        "B": "b c",
        "C": "1-given",
        "BOTH": "environment",
        "OLD": "style value",
    }


def test_it_makes_the_folder_to_work_in(files: dict[str, Entry]) -> None:
    assert files["/a/b/a"].kind == "folder"


def test_a_line_is_for_the_shell(config: Config) -> None:
    found = config("shell")
    assert found["Entrypoint"] == ["/bin/sh", "-c", 'exec "$A" b']
    assert found["Cmd"] == ["/bin/sh", "-c", 'one "two"']
    assert config("other-shell")["Cmd"] == ["/bin/sh", "-ec", "one"]


def test_a_stage_has_what_it_goes_on_from(config: Config) -> None:
    found = config("base")
    assert (found["Entrypoint"], found["User"]) == (["/e"], "7")
    assert found["Env"] == ["PATH=/bin", "A=a"]


def test_a_base_may_be_an_argument(config: Config) -> None:
    assert config("from-argument")["Env"] == ["PATH=/bin", "A=a"]

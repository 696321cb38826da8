"""How a build ends that does not come through: by exit code and by the last line, from which the
product tells whose fault it is."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from dispatch.outcomes import Category
from kube.causes import builder_end
from kube.manifest.request import Login
from tests.cluster.building import End, Order, Site, building_site
from tests.cluster.registry_door import registry_door

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

LOGIN = Login(username="builder", password="right")
FROM = "FROM {base}\n"
NOTHING = FROM + "RUN true\n"
# By name: the Dockerfile, the exit code, what the last line has, and what the product makes of it.
CUSTOMERS = {
    "step": (FROM + "RUN exit 7", 7, "failed to execute command: .* exit status 7"),
    "no-program": (FROM + "RUN no-such-program", 127, "failed to execute command"),
    "no-file": (FROM + 'RUN ["/no/such"]', 1, "failed to execute command: starting command"),
    "killed": (FROM + "RUN kill -9 $$", 255, "failed to execute command: .* signal: killed"),
    "no-user": (FROM + "USER nobody-here\nRUN true", 1, "failed to execute command: .*nobody-here"),
    "no-owner": (FROM + "COPY --chown=nobody-here . /x", 1, "failed to execute command: .*chown"),
    "no-source": (FROM + "COPY nope /x", 1, "failed to get fileinfo for /saturn/checkout/nope"),
    "outside": (FROM + "COPY ../nope /x", 1, "failed to get fileinfo"),
    "two-to-one": (FROM + "COPY a b /file", 1, "context: when specifying multiple sources"),
    "no-name": ("ARG NAME\nFROM $NAME\nRUN true", 1, "could not parse reference"),
    "no-source-there": (
        "FROM {base} AS one\nRUN true\nFROM {base}\nCOPY --from=one /nope /x",
        1,
        "failed to get fileinfo for .*/nope",
    ),
    "unknown-line": (FROM + "FETCH x", 1, "parsing dockerfile: .* line 2: unknown instruction"),
    "unknown-flag": (FROM + "COPY --no-such=1 a b", 1, "parsing dockerfile: .*no-such"),
    "no-value": (FROM + "ENV A=${B:?needed}", 1, "failed to process .*needed"),
    "no-base": ("RUN true", 1, "parsing dockerfile: no build stage"),
    "empty": ("", 1, "parsing dockerfile: file with no instructions"),
    "target": (NOTHING, 1, '"nope" is not a valid target build stage'),
}
# More than the kubelet tells of a log.
LONG = FROM + "RUN for line in 1 2 3 4 5 6 7 8 9; do printf '%0900d\\n' $line; done; exit 4"
NO_BASE = "FROM {base}-nope\nRUN true"


def orders(site: Site, locked: str, deaf: str) -> dict[str, Order]:
    found = {name: Order(dockerfile=text) for name, (text, _, _) in CUSTOMERS.items()}
    return found | {
        "target": Order(dockerfile=NOTHING, target="nope"),
        "no-base-image": Order(dockerfile=NO_BASE),
        "long": Order(dockerfile=LONG),
        "flag": Order(dockerfile=NOTHING, flags=["--no-such-flag"]),
        "nobody": Order(dockerfile=NOTHING, image=f"{locked}/{site.name}/nobody:built"),
        "wrong": Order(
            dockerfile=NOTHING,
            image=f"{locked}/{site.name}/wrong:built",
            login=Login(username="builder", password="wrong"),
        ),
        "right": Order(dockerfile=NOTHING, image=f"{locked}/{site.name}/right:built", login=LOGIN),
        "late": Order(dockerfile=NOTHING, image=f"{deaf}/{site.name}/late:built"),
        "no-cache": Order(
            dockerfile=NOTHING,
            image=f"{deaf}/{site.name}/no-cache:other",
            cache=f"{deaf}/{site.name}/no-cache/cache",
        ),
    }


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with building_site() as site, ExitStack() as doors:
        locked = doors.enter_context(registry_door(site.layout, login=LOGIN))
        refused = "PUT .*/manifests/built|PUT .*/cache/manifests/"
        deaf = doors.enter_context(registry_door(site.layout, refused=refused))
        for name, order in orders(site, locked, deaf).items():
            site.start(name, order)
        yield site


@pytest.fixture(scope="module")
def ended(site: Site) -> Callable[[str], End]:
    return cache(site.end)


Ended = Callable[[str], End]


@pytest.mark.parametrize("name", CUSTOMERS)
def test_the_last_line_tells_what_the_customer_did_wrong(ended: Ended, name: str) -> None:
    _, code, words = CUSTOMERS[name]
    end = ended(name)
    assert (end.code, end.reason, end.digest) == (code, "Error", "")
    assert end.last_line.startswith("error building image: ")
    assert re.search(words, end.last_line), end.last_line


@pytest.mark.parametrize("name", CUSTOMERS)
def test_the_product_reads_it_so(ended: Ended, name: str) -> None:
    category, told = builder_end(ended(name).log)
    assert category == Category.BUILD_FAILED
    assert ended(name).last_line.strip() in told


def test_the_last_line_of_a_long_log_is_what_the_kubelet_tells(ended: Ended) -> None:
    end = ended("long")
    assert len(end.log) > 8000 > len(end.words)
    assert end.words.splitlines()[-1] == end.last_line


def test_a_base_image_that_is_not_there_is_told_after_some_tries(ended: Ended) -> None:
    end = ended("no-base-image")
    assert end.code == 1
    assert "Retrying operation after 1s due to" in end.log
    assert re.search("unable to complete operation .*MANIFEST_UNKNOWN", end.last_line)
    assert builder_end(end.log)[0] == Category.BASE_IMAGE_NOT_FOUND


@pytest.mark.parametrize("name", ["nobody", "wrong"])
def test_it_builds_nothing_that_it_may_not_push(ended: Ended, name: str) -> None:
    end = ended(name)
    assert end.code == 1 and "Running:" not in end.log
    assert re.match("error checking push permissions: .*UNAUTHORIZED", end.last_line)
    assert builder_end(end.log)[0] == Category.REGISTRY_PUSH


def test_it_pushes_with_its_login(ended: Ended) -> None:
    assert ended("right").code == 0, ended("right").last_line


def test_a_push_that_is_refused_at_its_end_is_told_as_one(ended: Ended) -> None:
    end = ended("late")
    assert end.code == 1
    assert re.match("error pushing image: failed to push to destination .*DENIED", end.last_line)
    assert builder_end(end.log)[0] == Category.REGISTRY_PUSH


def test_a_layer_that_cannot_be_kept_is_a_warning(ended: Ended) -> None:
    end = ended("no-cache")
    assert end.code == 0, end.last_line
    assert re.search("WARN.*Error uploading layer to cache: failed to push", end.log)


def test_a_flag_that_it_does_not_know_is_an_error(ended: Ended) -> None:
    end = ended("flag")
    assert end.code == 1 and end.log.startswith("Error: unknown flag: --no-such-flag")

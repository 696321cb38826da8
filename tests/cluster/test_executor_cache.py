"""Layers are kept for the next build: the same steps from the same files are not done again."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import pytest

from tests.cluster.building import End, Order, Site, building_site

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

INSTALL, BUILD = "RUN sh install.sh", "RUN cat source > /result"
DOCKERFILE = f"""\
FROM {{base}} AS tools
RUN echo tool > /tool
FROM {{base}}
WORKDIR /app
COPY packages install.sh ./
{INSTALL}
COPY --from=tools /tool /tool
COPY . .
{BUILD}
CMD ["cat", "/result"]
"""
FILES = {
    "packages": "one",
    "install.sh": "mkdir /installed && cat packages > /installed/all; date +%N > /installed/when",
    "source": "first",
    ".dockerignore": ".saturnci\n",
}
REUSED = "Using caching version of cmd: "


FIRST = Order(dockerfile=DOCKERFILE, files=FILES)
# After the first one, all at a time: none of them finds what another one keeps.
LATER = {
    "same": FIRST,
    "source": replace(FIRST, files={**FILES, "source": "second"}),
    "packages": replace(FIRST, files={**FILES, "packages": "two"}),
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with building_site() as site:
        yield site


@pytest.fixture(scope="module")
def first(site: Site) -> End:
    place = site.cache("kept")
    end = site.build("first", replace(FIRST, cache=place))
    assert end.code == 0, end.last_line
    for name, order in LATER.items():
        site.start(name, replace(order, cache=place))
    site.start("nowhere", FIRST)
    return end


@pytest.fixture(scope="module")
def later(site: Site, first: End) -> Callable[[str], End]:
    @cache
    def later(name: str) -> End:
        end = site.end(name)
        assert end.code == 0, end.last_line
        return end

    return later


def reused(end: End) -> list[str]:
    return [line.partition(REUSED)[2].strip() for line in end.log.splitlines() if REUSED in line]


def test_the_first_build_does_every_step(first: End) -> None:
    assert reused(first) == []
    assert first.log.count("Running: [") == 3


Later = Callable[[str], End]


def test_the_same_build_does_none_again(site: Site, later: Later) -> None:
    end = later("same")
    assert {INSTALL, BUILD, "COPY . ."} <= set(reused(end)) and "Running: [" not in end.log
    assert site.built("same").layers() == site.built("first").layers()
    assert site.built("same").config() == site.built("first").config()


def test_another_source_file_leaves_what_was_installed(site: Site, later: Later) -> None:
    end = later("source")
    assert INSTALL in reused(end) and BUILD not in reused(end)
    before, after = site.built("first").files(), site.built("source").files()
    assert (before["/result"].content, after["/result"].content) == ("first", "second")
    assert before["/installed/when"] == after["/installed/when"]
    assert after["/tool"].content == "tool\n"


def test_another_file_to_install_from_does_all_of_it_again(site: Site, later: Later) -> None:
    assert INSTALL not in reused(later("packages"))
    assert site.built("packages").files()["/installed/all"].content == "two"


def test_without_a_place_for_layers_it_does_all_of_it_again(later: Later) -> None:
    end = later("nowhere")
    assert reused(end) == [] and end.log.count("Running: [") == 3

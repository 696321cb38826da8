"""Layers are kept for the next build: the same steps from the same files are not done again."""

from collections.abc import Iterator
from dataclasses import replace

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


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with building_site() as site:
        yield site


@pytest.fixture(scope="module")
def order(site: Site) -> Order:
    return Order(dockerfile=DOCKERFILE, files=FILES, cache=site.cache("kept"))


@pytest.fixture(scope="module")
def first(site: Site, order: Order) -> End:
    end = site.build("first", order)
    assert end.code == 0, end.last_line
    return end


def reused(end: End) -> list[str]:
    return [line.partition(REUSED)[2].strip() for line in end.log.splitlines() if REUSED in line]


def test_the_first_build_does_every_step(first: End) -> None:
    assert reused(first) == []
    assert first.log.count("Running: [") == 3


def test_the_same_build_does_none_again(site: Site, order: Order, first: End) -> None:
    end = site.build("same", order)
    assert end.code == 0, end.last_line
    assert {INSTALL, BUILD, "COPY . ."} <= set(reused(end)) and "Running: [" not in end.log
    assert site.built("same").layers() == site.built("first").layers()
    assert site.built("same").config() == site.built("first").config()


def test_another_source_file_leaves_what_was_installed(
    site: Site, order: Order, first: End
) -> None:
    changed = replace(order, files={**FILES, "source": "second"})
    end = site.build("source", changed)
    assert end.code == 0, end.last_line
    assert INSTALL in reused(end) and BUILD not in reused(end)
    before, after = site.built("first").files(), site.built("source").files()
    assert (before["/result"].content, after["/result"].content) == ("first", "second")
    assert before["/installed/when"] == after["/installed/when"]
    assert after["/tool"].content == "tool\n"


def test_another_file_to_install_from_does_all_of_it_again(
    site: Site, order: Order, first: End
) -> None:
    changed = replace(order, files={**FILES, "packages": "two"})
    end = site.build("packages", changed)
    assert end.code == 0, end.last_line
    assert INSTALL not in reused(end)
    assert site.built("packages").files()["/installed/all"].content == "two"


def test_without_a_place_for_layers_it_does_all_of_it_again(
    site: Site, order: Order, first: End
) -> None:
    end = site.build("nowhere", replace(order, cache=""))
    assert end.code == 0, end.last_line
    assert reused(end) == [] and end.log.count("Running: [") == 3

"""How the builder takes what a node does to it, and images of the usual size."""

from collections.abc import Iterator

import pytest

from kube.manifest.settings import GI
from tests.cluster.base_image import base_image
from tests.cluster.builder_image import builder_kind
from tests.cluster.building import Order, Site, building_site

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

# As process 1 is told, where the step would go on for longer than the node waits.
SLOW = "FROM {base}\nRUN touch /saturn/steps/begun; trap '' TERM; sleep 300\n"
# A file without blocks takes no room itself, but what reads it gets all of it.
LARGE = "FROM {base}\nRUN dd if=/dev/zero of=/large bs=1 count=1 seek=536870911\n"
DEBIAN = """\
RUN useradd --create-home --shell /bin/bash dev && install -d -o dev -g dev /srv/app
COPY --chown=dev:dev . /srv/app/
USER dev
WORKDIR /srv/app
RUN git init --quiet . && python3 main.py > out && id -un >> out
USER root
RUN su dev -c 'touch "$HOME/mine"' && rm -rf /usr/share/zoneinfo && ln -s /srv/app /app
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with building_site() as site:
        yield site


def test_it_ends_with_its_step_when_it_is_told_to(site: Site) -> None:
    site.start("slow", Order(dockerfile=SLOW))
    site.wait_for_step("slow")
    assert site.delete("slow")["exitCode"] == 143


def test_an_ordinary_base_image_is_built_on(site: Site) -> None:
    """One in which /bin and /lib are links."""
    dockerfile = f"FROM {base_image(site.layout)}\n{DEBIAN}"
    files = {"main.py": "import ssl, sys; print(sys.version_info.major)\n"}
    order = Order(dockerfile=dockerfile, files=files, memory=2 * GI)
    end = site.build("debian", order)
    assert end.code == 0, end.last_line
    found = site.built("debian").files()
    assert found["/srv/app/out"].content == "3\ndev\n"
    owner = found["/srv/app"].owner
    assert owner[0] >= 1000 and found["/srv/app/main.py"].owner == owner
    assert found["/home/dev/mine"].owner == found["/srv/app/.git/HEAD"].owner == owner
    assert (found["/bin"].kind, found["/app"].link) == ("link", "/srv/app")
    assert "/usr/share/zoneinfo" not in found and "/usr/bin/git" in found


@pytest.mark.skipif(builder_kind() != "test double", reason="Kaniko keeps layers where it builds")
def test_the_double_holds_no_layer_in_memory(site: Site) -> None:
    """Of half a gigabyte, within half of that; the file itself takes no room."""
    end = site.build("large", Order(dockerfile=LARGE, memory=GI // 4))
    assert end.code == 0, end.last_line
    assert len(site.built("large").layers()) == 2

"""What is in the images that the builder makes: files, their owners and their modes. Which builder
that is, `builder_image` tells; the rules are the same for all of them.
"""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.cluster.building import End, File, Order, Site, building_site
from tests.cluster.built_image import Entry

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

COPIES = """\
FROM {base}
WORKDIR /app
COPY . .
COPY a.txt b.txt /two/
COPY *.txt /matching/
COPY sub /moved
COPY a.txt /as/it/was.txt
COPY a.txt deeper/
COPY link /link
COPY --chown=5:6 a.txt /owned/file
COPY --chown=5:6 sub /owned-folder
COPY --chown=nobody:nogroup a.txt /named
COPY --chown=nobody a.txt /named-user
COPY --chown=7 a.txt /numbered-user
COPY --chmod=4711 a.txt /moded
COPY <<EOF /here
first
EOF
"""
CONTEXT: dict[str, File | str] = {
    "a.txt": "a",
    "b.txt": "b",
    "run.sh": File(content="#!/bin/sh\n", mode=0o755),
    "sub/inner/c": "c",
    "sub/up": File(link="../a.txt"),
    "link": File(link="a.txt"),
    "drop.log": "no",
    "keep.log": "yes",
    "secret/key": "no",
    "sub/cache/x": "no",
    ".dockerignore": "*.log\n!keep.log\nsecret\n**/cache\n# a remark\n",
}
RUNS = """\
FROM {base}
RUN echo dev:x:1234:1235::/home/dev:/bin/sh >> /etc/passwd && echo dev:x:1235: >> /etc/group
RUN mkdir -p /home/dev /empty/folder && chown dev:dev /home/dev
RUN echo x > /f && chown dev:6 /f && chmod 4750 /f
RUN ln /f /hard && ln -s /f /soft && mkdir -m 1777 /sticky
RUN echo one > /h1 && ln /h1 /h2
RUN mkdir /gone /replaced && echo a > /gone/a && echo b > /file && echo c > /replaced/c
RUN rm -rf /gone /file /replaced && mkdir /file && echo now > /replaced && rm /bin/wget
RUN chmod 700 /etc/group
RUN echo here > /etc/resolv.conf && echo left > /kaniko/left
USER dev
WORKDIR /home/dev/work
RUN ls -ldn . | awk '{print $3}' > /tmp/owner; id -un > /tmp/who; pwd > /tmp/where
USER 4321:77
RUN id -u > /tmp/number; id -g >> /tmp/number
"""
STAGES = """\
FROM {base} AS unused
RUN exit 9
FROM {base} AS first
RUN mkdir -p /out/empty && echo 1 > /out/one && chown 5:6 /out/one && chmod 4755 /out/one
RUN ln -s one /out/link && ln -s /out/one /link && echo rest > /rest
FROM first AS second
RUN echo 2 > /two
FROM {base}
RUN test ! -e /rest && test ! -e /two && touch /third
COPY --from=first /out /taken
COPY --from=second /two /rest /both/
COPY --from=1 /out/one /by-number
COPY --from=first /link /link
COPY --from=first --chown=8:9 /out/one /chowned
COPY --from={base} /etc/passwd /outside
"""
ONTO = """\
FROM {base} AS one
RUN echo 1 > /1
FROM one
RUN rm /1; echo 2 > /2
"""
NOTHING = """\
FROM scratch
COPY a /a
"""
TARGET = """\
FROM {base} AS one
RUN echo 1 > /1
FROM one
RUN exit 3
"""
ORDERS = {
    "copies": Order(dockerfile=COPIES, files=CONTEXT),
    "runs": Order(dockerfile=RUNS),
    "stages": Order(dockerfile=STAGES),
    "onto": Order(dockerfile=ONTO),
    "nothing": Order(dockerfile=NOTHING, files={"a": "a"}),
    "target": Order(dockerfile=TARGET, target="one"),
}
Ended = Callable[[str], End]
Files = Callable[[str], dict[str, Entry]]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with building_site() as site:
        for name, order in ORDERS.items():
            site.start(name, order)
        yield site


@pytest.fixture(scope="module")
def ended(site: Site) -> Ended:
    return cache(site.end)


@pytest.fixture(scope="module")
def files(site: Site, ended: Ended) -> Files:
    @cache
    def files(name: str) -> dict[str, Entry]:
        end = ended(name)
        assert end.code == 0, end.last_line
        return site.built(name).files()

    return files


CONTENTS = {
    "/app/a.txt": "a",
    "/app/sub/inner/c": "c",
    "/app/keep.log": "yes",
    "/two/a.txt": "a",
    "/two/b.txt": "b",
    "/matching/a.txt": "a",
    "/matching/b.txt": "b",
    "/moved/inner/c": "c",
    "/as/it/was.txt": "a",
    "/app/deeper/a.txt": "a",
    "/here": "first\n",
}


def test_it_copies_the_context_as_docker_does(files: Files) -> None:
    found = files("copies")
    assert {path: found[path].content for path in CONTENTS if path in found} == CONTENTS


@pytest.mark.parametrize("path", ["drop.log", "secret", "secret/key", "sub/cache", "sub/cache/x"])
def test_it_leaves_out_what_is_ignored(files: Files, path: str) -> None:
    assert f"/app/{path}" not in files("copies")


def test_it_keeps_links_inside_of_a_folder(files: Files) -> None:
    found = files("copies")
    assert (found["/app/link"].kind, found["/app/link"].link) == ("link", "a.txt")
    assert found["/moved/up"].link == "../a.txt"


OWNERS = {
    "/app": (0, 0),
    "/app/a.txt": (0, 0),
    "/owned/file": (5, 6),
    "/owned-folder": (5, 6),
    "/owned-folder/inner": (5, 6),
    "/owned-folder/inner/c": (5, 6),
    "/named": (65534, 65534),
    "/named-user": (65534, 65534),
    "/numbered-user": (7, 7),
}


@pytest.mark.parametrize("path,owner", OWNERS.items())
def test_what_is_copied_belongs_to_whom_chown_names(
    files: Files, path: str, owner: tuple[int, int]
) -> None:
    assert files("copies")[path].owner == owner


MODES = {"/app/run.sh": 0o755, "/app/a.txt": 0o644, "/moded": 0o4711, "/app": 0o755}


@pytest.mark.parametrize("path,mode", MODES.items())
def test_what_is_copied_keeps_its_mode_or_gets_that_of_chmod(
    files: Files, path: str, mode: int
) -> None:
    assert files("copies")[path].mode == mode


def test_a_step_keeps_owner_and_mode_of_what_it_makes(files: Files) -> None:
    found = files("runs")
    assert (found["/f"].owner, found["/f"].mode) == ((1234, 6), 0o4750)
    assert found["/home/dev"].owner == (1234, 1235)
    assert found["/sticky"].mode == 0o1777
    assert (found["/etc/group"].mode, "dev" in found["/etc/group"].content) == (0o700, True)
    assert found["/empty/folder"].kind == "folder"
    assert found["/soft"].link == "/f"


def test_hard_links_have_the_content(files: Files) -> None:
    found = files("runs")
    assert found["/hard"].content == found["/f"].content == "x\n"
    assert (found["/hard"].owner, found["/hard"].mode) == ((1234, 6), 0o4750)
    assert found["/h1"].content == found["/h2"].content == "one\n"


@pytest.mark.parametrize("path", ["/gone", "/gone/a", "/replaced/c", "/bin/wget"])
def test_what_a_step_removed_is_not_there(files: Files, path: str) -> None:
    assert path not in files("runs")


def test_a_file_takes_the_place_of_a_folder_and_the_other_way_round(files: Files) -> None:
    found = files("runs")
    assert found["/file"].kind == "folder"
    assert (found["/replaced"].kind, found["/replaced"].content) == ("file", "now\n")


def test_steps_run_as_the_user_and_in_the_folder_that_were_named(files: Files) -> None:
    found = files("runs")
    assert found["/tmp/who"].content == "dev\n"
    assert found["/tmp/where"].content == "/home/dev/work\n"
    assert found["/tmp/who"].owner == (1234, 1235)
    assert found["/home/dev/work"].owner[0] == int(found["/tmp/owner"].content)


@pytest.mark.parametrize(
    "path", ["/kaniko", "/busybox", "/saturn", "/dev", "/sys", "/workspace", "/etc/resolv.conf"]
)
def test_what_belongs_to_the_builder_is_not_in_the_image(files: Files, path: str) -> None:
    found = files("runs")
    assert [name for name in found if name == path or name.startswith(f"{path}/")] == []


def test_files_come_from_other_stages_and_images(files: Files) -> None:
    found = files("stages")
    assert found["/taken/one"].content == "1\n"
    assert found["/taken/one"].owner == (5, 6)
    assert found["/taken/empty"].kind == "folder"
    assert found["/taken/link"].link == "one"
    assert [found[f"/both/{name}"].content for name in ("two", "rest")] == ["2\n", "rest\n"]
    assert found["/by-number"].content == "1\n"
    assert found["/chowned"].owner == (8, 9)
    assert found["/outside"].content.startswith("root:")


def test_kaniko_differs_from_docker_here(files: Files) -> None:
    """Seen with Kaniko 1.28. Docker copies what a link leads to, gives links away as well, keeps
    the set-user-id bit, and runs steps in the group that USER names."""
    copies, stages = files("copies"), files("stages")
    assert (copies["/link"].link, stages["/link"].link) == ("a.txt", "/out/one")
    assert copies["/owned-folder/up"].owner == (0, 0)
    assert stages["/by-number"].mode == stages["/taken/one"].mode == 0o755
    assert files("runs")["/tmp/number"].content == "4321\n4321\n"


def test_nothing_else_of_another_stage_is_there(files: Files) -> None:
    assert {"/rest", "/two", "/out"}.isdisjoint(files("stages"))


def test_a_stage_goes_on_from_another_one(files: Files) -> None:
    found = files("onto")
    assert "/1" not in found and found["/2"].content == "2\n"


def test_an_image_from_scratch_has_nothing_else(files: Files) -> None:
    assert set(files("nothing")) == {"/a"}


def test_it_stops_at_the_target(files: Files) -> None:
    assert files("target")["/1"].content == "1\n"


def test_it_tells_the_digest_of_what_it_pushed(site: Site, ended: Ended) -> None:
    assert ended("target").digest == site.built("target").digest()

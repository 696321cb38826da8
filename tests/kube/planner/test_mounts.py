"""Volumes become folders of the checkout or empty ones, and never a place of the machine."""

import pytest

from kube.planner.plan import Mount, Volume
from tests.kube.making import make_plan, problems_of, service_problem, with_main, with_service

DB = "  db: {image: example/db, <<: *own}\n"
NAMED = "volumes: {pg: , ram: {driver_opts: {type: tmpfs, o: 'size=10m,uid=1'}}}\n"


def mount_of(item: str) -> Mount:
    plan = make_plan(with_service(f"volumes:\n  - {item}", NAMED))
    (mount,) = plan.services[0].mounts
    return mount


@pytest.mark.parametrize(
    ("item", "mount"),
    [
        ("./a:/x", Mount(volume="", target="/x", path=".saturnci/a")),
        ("../a/b/:/x/", Mount(volume="", target="/x", path="a/b")),
        ("..:/x:ro", Mount(volume="", target="/x", read_only=True)),
        (".:/x:rw,z,cached", Mount(volume="", target="/x", path=".saturnci")),
        ("../a/../b:/x/../y", Mount(volume="", target="/y", path="b")),
        ("{type: bind, source: data, target: /x, read_only: true}",
         Mount(volume="", target="/x", path=".saturnci/data", read_only=True)),
        ("pg:/x", Mount(volume="data-pg", target="/x", copies=True)),
        ("pg:/x:nocopy", Mount(volume="data-pg", target="/x")),
        ("pg:/var/lib/postgresql/data", Mount(volume="data-pg", target="/var/lib/postgresql/data")),
        ("pg:/database", Mount(volume="data-pg", target="/database", copies=True)),
        ("ram:/x", Mount(volume="data-ram", target="/x")),
        ("/x", Mount(volume="data-x", target="/x", copies=True)),
        ("{type: volume, target: /x}", Mount(volume="data-x", target="/x", copies=True)),
        ("{type: volume, source: pg, target: /x, volume: {subpath: a/./b}}",
         Mount(volume="data-pg", target="/x", path="a/b")),
        ("{type: tmpfs, target: /x}", Mount(volume="data-x", target="/x")),
    ],
)  # fmt: skip
def test_each_way_to_write_a_volume_is_read(item: str, mount: Mount) -> None:
    assert mount_of(item) == mount


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("/var/run/docker.sock:/s", "there is no Docker here"),
        ("./docker.sock:/s", "there is no Docker here"),
        ("/etc/localtime:/etc/localtime:ro", "is an absolute path of one machine"),
        ("~/.ssh:/s", "lies in the home of one machine"),
        ("../../x:/s", "leads out of the repository"),
        ("./a/../../..:/s", "leads out of the repository"),
        ("./a\\b:/s", "has a backslash"),
        ("$PWD:/s", "is no volume"),
        ("a::/s", "is no volume"),
        ("./a:/s:ro:rw", "is no volume"),
        ("pgg:/s", "the volume `pgg` is not declared"),
        ("./a:s", "is no place in the container"),
        ("s", "is no place in the container"),
        ("./.env:/s", "stands for the Task's variables"),
        ("./a:/", "is taken"),
        ("./a://", "is taken"),
        ("./a:/saturn/ctl", "is taken"),
        ("./a:/x/../saturn", "is taken"),
        ("./a:/etc/hosts", "is taken"),
        ("./a:/proc/x", "is taken"),
        ("{type: bind, target: /s}", "`bind` is no volume that can be given"),
        ("{type: npipe, source: x, target: /s}", "`npipe` is no volume"),
        ("{type: volume, source: pg, target: /s, volume: {subpath: ../x}}", "out of the volume"),
        ("[a]", "a list is not what is read here"),
        ("", "nothing is not what is read here"),
    ],
)
def test_what_cannot_be_mounted_is_told(item: str, words: str) -> None:
    assert words in service_problem(f"volumes:\n  - {item}", NAMED)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("{external: true}", "volumes.pg.external: an external volume is not there"),
        ("{external: {name: x}}", "volumes.pg.external: an external volume is not there"),
        ("{driver: nfs}", "volumes.pg.driver: `nfs` is not provided"),
        ("{driver_opts: {type: none, o: bind, device: /x}}", "mounts nothing of the node"),
        ("{drivr: local}", "volumes.pg.drivr: is no key that is known here"),
        ("[x]", "a list is not what is read here"),
    ],
)
def test_a_volume_is_nothing_but_a_folder(declared: str, words: str) -> None:
    problem = service_problem("volumes: ['pg:/x']", f"volumes: {{pg: {declared}}}\n")
    assert problem.startswith("service db, ") and words in problem


def test_a_volume_that_nobody_needs_may_be_anything() -> None:
    assert problems_of(with_service("init: true", "volumes: {x: {external: true}}\n")) == []


def test_services_share_a_named_volume_and_no_other() -> None:
    keys = "volumes: ['pg:/a', '/own'], tmpfs: /t"
    plan = make_plan(with_main(f"<<: &own {{{keys}}}\ndepends_on: [db]", DB + NAMED))
    (mine, own, fast), (theirs, other, quick) = plan.main.mounts, plan.services[0].mounts
    assert mine.volume == theirs.volume
    assert len({mine.volume, own.volume, fast.volume, other.volume, quick.volume}) == 5


def test_memory_has_the_size_that_is_asked_for() -> None:
    keys = "tmpfs: ['/a:size=5m,mode=700', /b]\nvolumes: ['ram:/c']"
    volumes = make_plan(with_service(keys, NAMED)).volumes
    assert [volume.memory_bytes for volume in volumes] == [10 * 1024**2, 5 * 1024**2, 0]
    assert isinstance(volumes[0], Volume)


def test_one_place_holds_one_volume() -> None:
    problem = service_problem("volumes: ['./a:/x', './b:/x/']\ntmpfs: /y")
    assert "two volumes are mounted at `/x`" in problem
    assert "is taken" in service_problem("shm_size: 1g\ntmpfs: /dev/shm")
    assert problems_of(with_service("tmpfs: /dev/shm")) == []


def test_the_main_service_keeps_what_its_image_has_anywhere() -> None:
    plan = make_plan(with_main("volumes: ['data:/data']", "volumes: {data: }\n"))
    assert plan.main.mounts[0].copies


def test_there_is_an_end_to_volumes() -> None:
    many = ", ".join(f"/v{n}" for n in range(101))
    (problem,) = problems_of(with_main(f"volumes: [{many}]"))
    assert "use at most 100" in problem
    more = ", ".join(f"/v{n}" for n in range(501))
    (problem,) = problems_of(with_main(f"volumes: [{more}]"))
    assert "at most 500 are read" in problem

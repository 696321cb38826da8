"""Which test files a shard runs depends on the Task alone, never on where it runs.

Each tree is asked by the legacy agent's own Ruby, by our agent on a droplet, and in a pod by the
Ruby of the image and without one.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from tests.worker_image.agent_plane import work_order
from tests.worker_image.busyboxes import make_busybox
from tests.worker_image.legacy_selection import legacy_shards
from tests.worker_image.needed import needed
from worker_image.switchyard_agent import suite
from worker_image.switchyard_agent.job import looking, scripts
from worker_image.switchyard_agent.shard import spec_files
from worker_image.switchyard_agent.work_order import WorkOrder

pytestmark = pytest.mark.ruby

Shards = list[list[str]]
Ways = dict[str, Shards]

WILD = (
    *("a/x", "a/X", "a.b/q", "a-b/q", "a b/q", "a_b/q", "B/z", "a", "A", "a-1", "a1", "a10", "a2"),
    *("", "d_spec.rb/in", "deep/er/and/deeper/still/x", "Z", "z", "0", "10/9", "9/10", "_", "-"),
    *("é", "e\u0301", "ß", "Ä/ö", "日本/語", "zz/😀", "'quoted'", "$HOME", "a;b", "*", "[x]", "~"),
)
NOT_OURS = ("spec/helper.rb", "spec/a/x_spec.rbx", "other_spec.rb", "spec/.x_spec.rb", "specs/b.rb")


def fill(root: Path, names: tuple[str, ...] | list[str]) -> None:
    for name in names:
        file = root / "spec" / f"{name}_spec.rb"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_dir():
            file.touch()


def wild(root: Path) -> None:
    """Names that sort differently by letter, byte and folder; hidden ones; links; odd bytes."""
    fill(root, WILD)
    fill(root, [".hidden/x", "a/.git/y"])
    for name in NOT_OURS:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    spec = root / "spec"
    Path(os.fsdecode(bytes(spec) + b"/odd\xff\xfe_spec.rb")).touch()
    (spec / "linked").symlink_to("a")
    (spec / "linked_spec.rb").symlink_to("a")
    (spec / "dangling_spec.rb").symlink_to("nowhere")
    (spec / "other_name_spec.rb").symlink_to("a/x_spec.rb")
    (spec / "round").symlink_to(".")


def linked(root: Path) -> None:
    """The folder of the specs is a link itself."""
    fill(root, ["a", "b/c", "B"])
    (root / "spec").rename(root / "elsewhere")
    (root / "spec").symlink_to("elsewhere")


def large(root: Path) -> None:
    source = random.Random(4)
    fill(root, ["/".join(source.choices("abAB19-._é", k=3)).strip("./") for _ in range(300)])


TREES: dict[str, Callable[[Path], None]] = {
    "wild": wild,
    "linked": linked,
    "large": large,
    "one": lambda root: fill(root, ["only"]),
    "none": lambda root: (root / "spec").mkdir(),
    "nothing": lambda root: None,
}
# (seed, count): one shard, some, as many as files and more.
CASES = {
    "wild": [(0, 1), (1, 2), (42, 5), (2**32 + 5, 7), (2**31, 50)],
    "linked": [(3, 1), (9, 2), (2**33, 3), (8, 5)],
    "large": [(7, 1), (65535, 4), (10**12, 9)],
    "one": [(5, 1), (6, 3)],
    "none": [(5, 1), (6, 3)],
    "nothing": [(5, 1), (6, 2)],
}


class Asked:
    """One tree, asked in every way."""

    def __init__(self, tree: str, folder: Path) -> None:
        self.root, self.folder = folder / "tree", folder
        self.root.mkdir()
        TREES[tree](self.root)
        self._busybox = make_busybox("machine", folder)
        self._without_ruby = folder / "tools"
        self._without_ruby.mkdir()
        for name in ("find", "mv", "sh"):
            (self._without_ruby / name).symlink_to(str(shutil.which(name)))
        # As Ruby gives them.
        self.every_file = sorted(legacy_shards(self.root, seed=0, count=1)[0])
        self.cases = {case: self._ask(*case) for case in CASES[tree]}

    def _ask(self, seed: int, count: int) -> Ways:
        orders = [order(seed, index, count) for index in range(1, count + 1)]
        machine = os.environ["PATH"]
        return {
            "legacy": legacy_shards(self.root, seed=seed, count=count),
            "legacy, another locale": legacy_shards(self.root, seed=seed, count=count, locale="C"),
            "droplet": [self._on_droplet(one) for one in orders],
            "pod with Ruby": [self._in_pod(one, machine, scripts.SELECTED) for one in orders],
            "pod without Ruby": [
                self._in_pod(one, str(self._without_ruby), scripts.EVERY_FILE) for one in orders
            ],
        }

    def _on_droplet(self, one: WorkOrder) -> list[str]:
        return list(suite.see(one, self.root, {}).files or ())

    def _in_pod(self, one: WorkOrder, path: str, answer: str) -> list[str]:
        """By the step that runs in the container of the tests; `answer` is what it has to leave."""
        out = self.folder / f"out-{answer}-{one.seed}-{one.order_count}-{one.order_index}"
        out.mkdir()
        step = scripts.look(one.order_index, one.order_count, one.seed, files=True)
        env = {"SWITCHYARD_BUSYBOX": str(self._busybox), "SWITCHYARD_OUT_DIR": str(out)}
        argv = ["/bin/sh", "-c", step]
        env |= {"PATH": path, "RUBYOPT": "-rno_such_library"}
        subprocess.run(argv, cwd=self.root, env=env, check=True, timeout=60, capture_output=True)
        assert [file.name for file in out.iterdir()] == [answer]
        return list(looking.answered(one, out) or ())


def order(seed: int, index: int, count: int) -> WorkOrder:
    claimed = work_order("file:///x", "0" * 40, seed=seed, order_index=index, order_count=count)
    return WorkOrder.from_claim(claimed, {})


@pytest.fixture(scope="module", params=TREES)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    needed("ruby", "ruby")
    return Asked(request.param, tmp_path_factory.mktemp(request.param))


def test_every_way_chooses_what_the_legacy_agent_chooses(asked: Asked) -> None:
    for case, ways in asked.cases.items():
        for way, shards in ways.items():
            assert shards == ways["legacy"], (case, way)


def test_shards_mixed_over_all_of_them_cover_every_file_once(asked: Asked) -> None:
    source = random.Random(11)
    for (seed, count), ways in asked.cases.items():
        for _ in range(20):
            mixed = [ways[source.choice(list(ways))][index] for index in range(count)]
            assert sorted(chain.from_iterable(mixed)) == asked.every_file, (seed, count)


def test_the_trees_have_what_is_hard(asked: Asked) -> None:
    """So that the tests above say something."""
    files = spec_files(asked.root)
    assert sorted(files) == asked.every_file
    if asked.root.parent.name.startswith("wild"):
        assert len(files) == 40 and files != sorted(files, key=str.lower)
        assert not any("/.hidden" in file or "/linked/" in file for file in files)
        assert {"./spec/linked_spec.rb", "./spec/dangling_spec.rb"} < set(files)

"""The database settings kept for runs here stand where the project looks for its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker_image.agent_plane import AgentPlane, work_order
from tests.worker_image.conftest import MakePod, MakeRepository, StartAgent, item
from tests.worker_image.control_plane import ControlPlane
from worker_image.switchyard_agent.database_file import KEPT, USUAL, put_in_place

COPIED = f"Copied {KEPT} to {USUAL}"


def make(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        file = root / {"kept": KEPT, "usual": USUAL}[name]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_it_takes_the_place_of_the_usual_file_whether_there_is_one_or_not(tmp_path: Path) -> None:
    with_one = make(tmp_path / "one", kept="kept", usual="usual")
    without = make(tmp_path / "two", kept="kept")
    (without / "config").mkdir()
    for root in (with_one, without):
        assert put_in_place(root) == COPIED
        assert (root / USUAL).read_text() == "kept"


def test_a_repository_that_keeps_none_is_left_as_it_is(tmp_path: Path) -> None:
    root = make(tmp_path, usual="usual")
    assert put_in_place(root) == ""
    assert (root / USUAL).read_text() == "usual"


@pytest.mark.parametrize(
    ("usual", "why"), [("nothing", "No such file or directory"), ("folder", "Is a directory")]
)
def test_a_copy_that_cannot_be_made_is_said_and_is_no_failure(
    tmp_path: Path, usual: str, why: str
) -> None:
    root = make(tmp_path, kept="kept")
    if usual == "folder":
        (root / USUAL).mkdir(parents=True)
    assert put_in_place(root) == f"{KEPT} is not copied to {USUAL}: {why}"


def test_links_inside_the_checkout_are_followed(tmp_path: Path) -> None:
    root = make(tmp_path, usual="usual")
    (root / ".saturnci").mkdir()
    (root / KEPT).symlink_to("../ours.yml")
    (root / "ours.yml").write_text("kept")
    (root / USUAL).rename(root / "config" / "theirs.yml")
    (root / USUAL).symlink_to("theirs.yml")
    assert put_in_place(root) == COPIED
    assert (root / "config" / "theirs.yml").read_text() == "kept"


def test_two_names_of_one_file_are_no_copy(tmp_path: Path) -> None:
    root = make(tmp_path, kept="kept")
    (root / "config").mkdir()
    (root / USUAL).symlink_to(f"../{KEPT}")
    assert put_in_place(root) == ""
    assert (root / USUAL).read_text() == "kept"


@pytest.mark.parametrize("linked", [KEPT, USUAL, "config"])
def test_no_link_leads_out_of_the_checkout(tmp_path: Path, linked: str) -> None:
    root, outside = make(tmp_path / "checkout", kept="kept", usual="usual"), tmp_path / "outside"
    outside.mkdir()
    (outside / "database.yml").write_text("a secret")
    if linked == "config":
        (root / USUAL).unlink()
        (root / "config").rmdir()
        (root / "config").symlink_to(outside)
    else:
        (root / linked).unlink()
        (root / linked).symlink_to(outside / "database.yml")
    assert put_in_place(root).endswith("a link leads out of the checkout")
    assert (outside / "database.yml").read_text() == "a secret"
    if linked == KEPT:
        assert (root / USUAL).read_text() == "usual"


# Both agents -------------------------------------------------------------------------------------

REPOSITORY = {
    KEPT: "host: kept\n",
    USUAL: "host: usual\n",
    ".saturnci/Dockerfile": f"FROM ruby\nWORKDIR /app\nCOPY . .\nRUN cp {USUAL} built.yml\n",
}
SHOW = f"cat {USUAL} built.yml"


def test_build_and_tests_on_a_droplet_see_it(
    control_plane: ControlPlane, start_agent: StartAgent, make_repository: MakeRepository
) -> None:
    control_plane.items = [item(*make_repository(REPOSITORY), command=SHOW)]
    assert start_agent().end() == 0
    assert control_plane.text("test_output").startswith("host: kept\nhost: kept\n")
    assert f"{COPIED}\n" in control_plane.text("system_logs")


def test_build_and_tests_in_a_pod_see_it(
    plane: AgentPlane, make_pod: MakePod, make_repository: MakeRepository
) -> None:
    plane.order = work_order(*make_repository(REPOSITORY), command=SHOW)
    make_pod().run(run_line=f"cp {USUAL} built.yml")
    assert plane.text("test") == "host: kept\nhost: kept\n"
    assert f"{COPIED}\n" in plane.text("system")

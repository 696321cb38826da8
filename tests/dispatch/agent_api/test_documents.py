"""docs/agent-api.md says what the code does."""

import re
from pathlib import Path

import pytest

from dispatch import reporting
from dispatch.agent_api import calls, reports, urls, views
from dispatch.agent_api.work_order import work_order
from dispatch.verdict import SHARD_EMPTY, SPOKEN_ENDS
from tests.factories import make_assignment
from worker_image.switchyard_agent.job.report import EVENTS

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "agent-api.md").read_text()


def section(title: str) -> str:
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(title: str) -> list[str]:
    rows = re.findall(r"^\| (.*?) \|", section(title), re.MULTILINE)
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row)]


def test_every_call_is_documented_and_no_other() -> None:
    paths = [str(path.pattern).removeprefix(urls.BASE) for path in urls.urlpatterns[:-1]]
    assert first_cells("Calls") == [path.replace("<str:stream>", "STREAM") for path in paths]


def test_every_event_is_documented_and_no_other() -> None:
    known = {*views.PHASES, views.EXAMPLES_COUNTED, SHARD_EMPTY, *SPOKEN_ENDS, *EVENTS}
    assert set(first_cells("Events")) == known
    assert len(first_cells("Events")) == len(known)


@pytest.mark.django_db
def test_every_key_of_the_work_order_is_documented() -> None:
    told = set(
        re.findall(r"`([a-z_]+)`", TEXT.partition("**The work order**")[2].partition("\n\n")[0])
    )
    order = work_order(make_assignment())
    assert told == set(order) | set(order["paths"])


def test_the_bounds_are_documented() -> None:
    assert f"{views.MOST_EVENTS} at most" in section("Calls")
    assert f"{views.LONGEST_DETAIL:,}\ncharacters" in section("Events")
    assert f"{reporting.MOST_STREAMS} at most" in section("Logs")
    assert f"{reports.LARGEST_HELD_BACK // 1024} KiB" in section("Logs")
    errors = section("Errors")
    assert f"{calls.LARGEST_JSON // 1024**2} MiB" in errors
    assert f"{reporting.MOST_RESULTS:,} results files" in errors
    assert f"{reporting.LARGEST_RESULTS_TOGETHER // 10**6} MB of them together" in errors
    assert f"artifacts of {reporting.LARGEST_ARTIFACT // 10**6} MB" in errors
    assert f"{reporting.MOST_ARTIFACTS} of them" in errors
    assert f"{reporting.LARGEST_ARTIFACTS // 10**6} MB together" in errors
    minutes = calls.TOKEN_LIFE_AFTER_RELEASE.total_seconds() / 60
    assert f"until {minutes:g} minutes after its release" in TEXT
    assert f"Switchyard-Agent: {calls.VERSIONS[-1]}" in TEXT

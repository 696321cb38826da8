"""Watches that are silent, and watches that lie."""

from collections.abc import Iterator

import pytest
import requests

from tests.conformance.cluster import Event
from tests.sandbox.kubernetes_api import Api

# A bookmark each 3 seconds; the history is kept for 15.
SERVER_OPTIONS = ("--speed", "20")


def seen(events: Iterator[Event], count: int) -> list[str]:
    found = (event for event in events if event.type != "BOOKMARK")
    return [event.name for _, event in zip(range(count), found, strict=False)]


def test_a_silent_watch_stays_open_and_tells_nothing(api: Api) -> None:
    query = {"resourceVersion": api.version(), "allowWatchBookmarks": "true", "timeoutSeconds": "4"}
    api.faults({"kind": "watch_silent", "path": "secrets"})
    with api.cluster.watch(api.at("secrets"), **query) as events:
        api.add_secret("a")
        assert list(events) == []


def test_what_a_silent_watch_has_kept_back_is_never_told(api: Api) -> None:
    with api.cluster.watch(api.at("secrets"), resourceVersion=api.version()) as events:
        api.faults({"kind": "watch_silent"})
        api.add_secret("a")
        api.faults()
        api.add_secret("b")
        assert seen(events, 1) == ["b"]


def test_a_watch_can_leave_an_event_out(api: Api) -> None:
    api.faults({"kind": "watch_omit", "name": "^b$"})
    with api.cluster.watch(api.at("secrets"), resourceVersion=api.version()) as events:
        for name in ("a", "b", "c"):
            api.add_secret(name)
        assert seen(events, 2) == ["a", "c"]


def test_a_watch_can_tell_an_event_twice(api: Api) -> None:
    api.faults({"kind": "watch_duplicate", "count": 1})
    with api.cluster.watch(api.at("secrets"), resourceVersion=api.version()) as events:
        api.add_secret("a")
        api.add_secret("b")
        assert seen(events, 3) == ["a", "a", "b"]


def test_a_watch_can_tell_events_in_the_wrong_order(api: Api) -> None:
    api.faults({"kind": "watch_reorder", "count": 1})
    with api.cluster.watch(api.at("secrets"), resourceVersion=api.version()) as events:
        api.add_secret("a")
        api.add_secret("b")
        assert seen(events, 2) == ["b", "a"]


def test_a_watch_can_break_off(api: Api) -> None:
    api.faults({"kind": "watch_cut", "after": 1})
    with api.cluster.watch(api.at("secrets"), resourceVersion=api.version()) as events:
        api.add_secret("a")
        assert seen(events, 1) == ["a"]
        api.add_secret("b")
        with pytest.raises(requests.RequestException):
            next(events)


def test_a_watch_can_be_told_that_its_version_is_gone(api: Api) -> None:
    api.faults({"kind": "watch_expired"})
    with api.cluster.watch(api.at("secrets"), resourceVersion=api.version()) as events:
        api.add_secret("a")
        event = next(events)
    assert (event.type, event.object["code"], event.object["reason"]) == ("ERROR", 410, "Expired")


def test_a_watch_can_be_refused_with_410_as_its_status(api: Api) -> None:
    api.faults({"kind": "410", "path": "watch=1"})
    answer = api.call("GET", api.at("secrets"), watch="1", resourceVersion=api.version())
    assert (answer.status, answer.reason) == (410, "Expired")


def test_a_watch_from_before_a_compaction_is_410(api: Api) -> None:
    old = api.version()
    api.add_secret("a")
    api.must("PUT", "/sandbox/compact")
    with api.cluster.watch(api.at("secrets"), resourceVersion=old) as events:
        assert next(events).object["code"] == 410
    with api.cluster.watch(api.at("secrets"), resourceVersion=api.version()) as events:
        api.add_secret("b")
        assert seen(events, 1) == ["b"]


def test_pages_of_a_list_from_before_a_compaction_are_410(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.add_secret(name)
    token = api.must("GET", api.at("secrets"), limit="1")["metadata"]["continue"]
    api.add_secret("d")
    api.must("PUT", "/sandbox/compact")
    answer = api.call("GET", api.at("secrets"), limit="1", **{"continue": token})
    assert (answer.status, answer.reason) == (410, "Expired")


def test_a_rule_strikes_only_the_watches_that_it_names(api: Api) -> None:
    api.faults({"kind": "watch_omit", "path": "configmaps"})
    with api.cluster.watch(api.at("secrets"), resourceVersion=api.version()) as events:
        api.add_secret("a")
        assert seen(events, 1) == ["a"]

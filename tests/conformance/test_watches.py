"""Watches: from a version on, in order, with nothing left out."""

import json
from collections.abc import Iterator

import pytest

from tests.conformance.cluster import Cluster, Event, Namespace


def add(namespace: Namespace, name: str, **labels: str) -> str:
    body = {"metadata": {"name": name, "labels": labels}}
    made = namespace.cluster.must("POST", namespace.of("secrets"), body)
    return str(made["metadata"]["resourceVersion"])


def label(namespace: Namespace, name: str, **labels: str | None) -> None:
    path = namespace.of("secrets", name)
    body = {"metadata": {"labels": labels}}
    namespace.cluster.must("PATCH", path, body, kind="application/merge-patch+json")


def remove(namespace: Namespace, name: str) -> None:
    namespace.cluster.must("DELETE", namespace.of("secrets", name))


def version_of(namespace: Namespace) -> str:
    found = namespace.cluster.must("GET", namespace.of("secrets"))
    return str(found["metadata"]["resourceVersion"])


def take(events: Iterator[Event], count: int) -> list[tuple[str, str]]:
    found = (event for event in events if event.type != "BOOKMARK")
    return [(event.type, event.name) for _, event in zip(range(count), found, strict=False)]


def test_it_tells_every_change_after_a_version_in_order(namespace: Namespace) -> None:
    add(namespace, "before")
    since = version_of(namespace)
    add(namespace, "a")
    label(namespace, "a", x="y")
    with namespace.cluster.watch(namespace.of("secrets"), resourceVersion=since) as events:
        remove(namespace, "a")
        add(namespace, "b")
        expected = [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]
        assert take(events, 4) == expected


def test_versions_only_grow(namespace: Namespace) -> None:
    since = version_of(namespace)
    for name in ("a", "b", "c"):
        add(namespace, name)
        remove(namespace, name)
    with namespace.cluster.watch(namespace.of("secrets"), resourceVersion=since) as events:
        versions = [int(event.version) for _, event in zip(range(6), events, strict=False)]
    assert versions == sorted(set(versions))


def test_it_goes_on_from_the_last_version_seen(namespace: Namespace) -> None:
    since = version_of(namespace)
    add(namespace, "a")
    with namespace.cluster.watch(namespace.of("secrets"), resourceVersion=since) as events:
        last = next(events)
    add(namespace, "b")
    with namespace.cluster.watch(namespace.of("secrets"), resourceVersion=last.version) as events:
        assert take(events, 1) == [("ADDED", "b")]


def test_without_a_version_it_begins_with_what_is_there(namespace: Namespace) -> None:
    add(namespace, "a")
    add(namespace, "b")
    for version in ({}, {"resourceVersion": "0"}):
        with namespace.cluster.watch(namespace.of("secrets"), **version) as events:
            assert sorted(take(events, 2)) == [("ADDED", "a"), ("ADDED", "b")]


def test_what_leaves_the_selection_is_deleted_for_it(namespace: Namespace) -> None:
    since = version_of(namespace)
    query = {"resourceVersion": since, "labelSelector": "x=1"}
    with namespace.cluster.watch(namespace.of("secrets"), **query) as events:
        add(namespace, "a", x="1")
        add(namespace, "other", x="2")
        label(namespace, "a", x="2")
        label(namespace, "a", x="1")
        assert take(events, 3) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]


def test_it_follows_one_object_by_its_name(namespace: Namespace) -> None:
    since = version_of(namespace)
    query = {"resourceVersion": since, "fieldSelector": "metadata.name=b"}
    with namespace.cluster.watch(namespace.of("secrets"), **query) as events:
        add(namespace, "a")
        add(namespace, "b")
        assert take(events, 1) == [("ADDED", "b")]


def test_it_ends_by_itself_after_its_timeout(namespace: Namespace) -> None:
    since = version_of(namespace)
    query = {"resourceVersion": since, "timeoutSeconds": "1"}
    with namespace.cluster.watch(namespace.of("secrets"), **query) as events:
        assert list(events) == []


def test_a_bookmark_says_how_far_it_has_come(namespace: Namespace) -> None:
    """One comes before the watch ends, so that a quiet one can go on where it was."""
    since = version_of(namespace)
    query = {"resourceVersion": since, "allowWatchBookmarks": "true", "timeoutSeconds": "4"}
    with namespace.cluster.watch(namespace.of("secrets"), **query) as events:
        add(namespace, "a")
        bookmarks = [event for event in events if event.type == "BOOKMARK"]
    assert bookmarks
    assert int(bookmarks[-1].version) >= int(since)
    query = {"resourceVersion": bookmarks[-1].version, "timeoutSeconds": "1"}
    with namespace.cluster.watch(namespace.of("secrets"), **query) as events:
        assert all(event.type != "ERROR" for event in events)


def test_a_deleted_object_is_told_with_its_last_state(namespace: Namespace) -> None:
    added = add(namespace, "a", x="1")
    since = version_of(namespace)
    remove(namespace, "a")
    with namespace.cluster.watch(namespace.of("secrets"), resourceVersion=since) as events:
        event = next(events)
    assert (event.type, event.object["metadata"]["labels"]) == ("DELETED", {"x": "1"})
    assert int(event.version) > int(added)


def test_a_watch_of_a_job_sees_its_pods_success(namespace: Namespace) -> None:
    namespace.create_job()
    pod = namespace.bound_pod("task")
    job = namespace.cluster.must("GET", namespace.of("jobs", "task"))
    since = job["metadata"]["resourceVersion"]
    with namespace.cluster.watch(namespace.of("jobs"), resourceVersion=since) as events:
        namespace.say(pod, phase="Succeeded")
        seen = [event.object["status"] for event in events_until_complete(events)]
    assert seen[-1]["succeeded"] == 1


def events_until_complete(events: Iterator[Event]) -> Iterator[Event]:
    for event in events:
        yield event
        if '"Complete"' in json.dumps(event.object["status"]):
            return


# Only a sandbox can be asked to compact. Elsewhere it happens every five minutes, or as often as
# the API server was told, and keeps what was written since the time before.
COMPACTED_WITHIN = 11 * 60.0


@pytest.mark.timeout(COMPACTED_WITHIN + 60)
def test_a_version_that_was_compacted_is_410(cluster: Cluster) -> None:
    """As an ERROR event of an answer that began well."""
    pages = cluster.must("GET", "/api/v1/namespaces", limit="1")
    assert pages["metadata"]["continue"]
    cluster.session.put(f"{cluster.url}/sandbox/compact", timeout=30)

    def refused() -> Event | None:
        with cluster.watch("/api/v1/events", resourceVersion="1", timeoutSeconds="3") as events:
            event = next(events, None)
        return event if event and event.type == "ERROR" else None

    event = cluster.wait(refused, COMPACTED_WITHIN)
    assert (event.object["code"], event.object["reason"]) == (410, "Expired")

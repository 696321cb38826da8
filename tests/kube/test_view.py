"""The view of the cluster over real HTTP: a watch is a hint, and what it gets wrong is repaired."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dispatch.backends import BackendError, Unavailable
from kube import view as view_module
from kube.api import Cluster
from kube.view import View
from tests.kube.cluster import AnyCluster, SandboxCluster
from tests.waiting import wait_until

LABELS = {"app": "view"}


class Watched:
    """A view of ConfigMaps, followed by a thread as the controller's loop does."""

    def __init__(self, cluster: AnyCluster, **facts: Any) -> None:
        config = cluster.config(kubeconfig=str(cluster.admin.kubeconfig))
        self.api = Cluster(
            config.kubeconfig,
            config.manifest.namespace,
            timeout=3.0,
            per_second=1000.0,
            threads=4,
        )
        self.changes = 0
        self.errors: list[BackendError] = []
        settings = {"relist": 30.0, "silence": 20.0} | facts
        self.view = View(self.api, "configmaps", "app=view", changed=self._note, **settings)
        self._stop = threading.Event()

    def _note(self) -> None:
        self.changes += 1

    def step(self) -> None:
        try:
            self.view.follow()
        except BackendError as error:
            self.errors.append(error)

    @contextmanager
    def following(self) -> Iterator["Watched"]:
        thread = threading.Thread(target=self._follow, daemon=True)
        thread.start()
        wait_until(lambda: self.changes > 0)
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(15)
            assert not thread.is_alive()

    def _follow(self) -> None:
        while not self._stop.is_set():
            self.step()
            self._stop.wait(0.02)

    def names(self) -> set[str]:
        return {item["metadata"]["name"] for item in self.view.all()}


@pytest.fixture
def watched(cluster: AnyCluster, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watched]:
    monkeypatch.setattr(view_module, "WATCH_SECONDS", 2.0)
    for item in cluster.list("configmaps"):
        if item["metadata"].get("labels") == LABELS:
            cluster.delete("configmaps", item["metadata"]["name"])
    return lambda **facts: Watched(cluster, **facts)


def make(cluster: AnyCluster, name: str) -> None:
    metadata = {"name": name, "labels": LABELS}
    cluster.make("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


@pytest.mark.any_cluster
def test_it_sees_what_was_there_and_what_comes_changes_and_goes(
    cluster: AnyCluster, watched: Callable[..., Watched]
) -> None:
    make(cluster, "before")
    with watched().following() as found:
        assert found.names() == {"before"}
        make(cluster, "after")
        wait_until(lambda: found.names() == {"before", "after"})
        cluster.change("configmaps", "after", {"data": {"a": "b"}})
        wait_until(lambda: (found.view.get("after") or {}).get("data") == {"a": "b"})
        cluster.delete("configmaps", "before")
        wait_until(lambda: found.names() == {"after"})
        assert found.errors == []


def test_one_watch_after_the_other_goes_on_without_listing_anew(
    cluster: SandboxCluster, watched: Callable[..., Watched]
) -> None:
    with watched().following() as found:
        cluster.faults({"kind": "500", "path": r"configmaps\?labelSelector=[^&]*$"})
        time_of_second_watch = time.monotonic() + 2.5
        wait_until(lambda: time.monotonic() > time_of_second_watch)
        make(cluster, "later")
        wait_until(lambda: found.names() == {"later"})
        assert found.errors == []


@pytest.mark.parametrize("kind", ["watch_omit", "watch_silent"])
def test_what_the_watch_kept_to_itself_is_found_by_the_next_list(
    cluster: SandboxCluster, watched: Callable[..., Watched], kind: str
) -> None:
    with watched(relist=0.0).following() as found:
        cluster.faults({"kind": kind, "path": "configmaps"})
        make(cluster, "hidden")
        assert found.view.refresh() == 1, "one object was not as the watch had told"
        assert found.names() == {"hidden"}


def test_a_long_list_is_read_in_pages_and_whole(
    cluster: SandboxCluster, watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "PAGE", 2)
    names = {f"item-{number}" for number in range(5)}
    for name in names:
        make(cluster, name)
    found = watched()
    cluster.faults({"kind": "latency", "path": "configmaps.*limit=2", "seconds": 0})
    assert found.view.refresh() == 5
    assert found.names() == names
    assert cluster.fired() == [3], "two and two and one"


@pytest.mark.any_cluster
def test_a_list_that_is_young_enough_is_not_asked_for_again(
    cluster: AnyCluster, watched: Callable[..., Watched]
) -> None:
    found = watched(relist=30.0)
    found.view.refresh()
    make(cluster, "young")
    assert found.view.refresh() == 0
    assert found.names() == set()


def test_a_version_that_is_too_old_is_no_failure_and_is_listed_anew(
    cluster: SandboxCluster, watched: Callable[..., Watched]
) -> None:
    cluster.faults({"kind": "watch_expired", "path": "configmaps", "count": 1})
    with watched().following() as found:
        make(cluster, "one")
        make(cluster, "two")
        wait_until(lambda: found.names() == {"one", "two"})
        assert found.errors == []


def test_a_watch_that_breaks_off_is_begun_again(
    cluster: SandboxCluster, watched: Callable[..., Watched]
) -> None:
    with watched().following() as found:
        cluster.faults({"kind": "watch_cut", "path": "configmaps", "count": 1})
        make(cluster, "one")
        make(cluster, "two")
        wait_until(lambda: found.names() == {"one", "two"})


def test_a_silent_watch_is_given_up_and_its_age_shows(
    cluster: SandboxCluster, watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "WATCH_SECONDS", 60.0)
    found = watched(silence=0.5, relist=60.0)
    cluster.faults({"kind": "watch_silent", "path": "configmaps"})
    found.step()
    (error,) = found.errors
    assert isinstance(error, Unavailable)
    assert found.view.silent_for >= 0.5


def test_a_cluster_that_is_away_is_asked_after_growing_pauses_and_found_again(
    cluster: SandboxCluster, watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "FIRST_REST", 0.2)
    found = watched()
    cluster.faults({"kind": "503", "path": "configmaps"})
    found.step()
    found.step()
    assert len(found.errors) == 1, "the second step came too soon to ask"
    make_room = time.monotonic() + 2.0

    def failed_often() -> bool:
        found.step()
        return time.monotonic() > make_room

    wait_until(failed_often)
    assert 3 <= len(found.errors) <= 7, "0.2, 0.4, 0.8 … with some chance in it"
    cluster.faults()
    with found.following():
        make(cluster, "again")
        wait_until(lambda: found.names() == {"again"})


def test_a_pause_that_the_cluster_asked_for_is_kept(
    cluster: SandboxCluster, watched: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "FIRST_REST", 0.0)
    found = watched()
    cluster.faults({"kind": "429", "path": "configmaps", "retry_after": 30, "count": 1})
    found.step()
    found.step()
    assert len(found.errors) == 1 and found.names() == set()
    assert found.changes == 0, "it was not asked again"


@pytest.mark.any_cluster
def test_events_in_the_wrong_order_do_not_bring_the_past_back(
    cluster: AnyCluster, watched: Callable[..., Watched]
) -> None:
    make(cluster, "one")
    old = cluster.get("configmaps", "one")
    cluster.change("configmaps", "one", {"data": {"changed": "yes"}})
    view = watched().view
    view.refresh()
    for kind in ("MODIFIED", "DELETED"):
        view._take({"type": kind, "object": old})
        assert (view.get("one") or {})["data"] == {"changed": "yes"}


def test_a_list_that_is_older_than_what_the_watch_has_told_does_not_bring_the_past_back(
    cluster: SandboxCluster, watched: Callable[..., Watched]
) -> None:
    """It was asked for before, and its answer came late."""
    with watched(relist=0.0).following() as found:
        make(cluster, "one")
        wait_until(lambda: found.names() == {"one"})
        cluster.faults({"kind": "stale", "path": "configmaps", "seconds": 60, "count": 1})
        assert found.view.refresh() >= 1, "it was not yet there then"
        make(cluster, "two")
        wait_until(lambda: found.names() == {"one", "two"})
        assert found.errors == []

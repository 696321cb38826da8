"""The API client: one error class for each reaction, told by what a server really answers."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from dispatch.backends import Rejected, Unavailable
from kube.api import Cluster, Conflict, NotThere, Untouched
from tests.kube.cluster import NAMESPACE, sandbox_cluster
from tests.postgres import free_port

POD = {
    "restartPolicy": "Never",
    "containers": [{"name": "test", "image": "registry.example/test:1"}],
}


@pytest.fixture
def job() -> Iterator[dict[str, Any]]:
    cluster = sandbox_cluster()
    cluster.clear()
    body = {"metadata": {"name": "task"}, "spec": {"suspend": True, "template": {"spec": POD}}}
    cluster.make("jobs", body)
    yield cluster.get("jobs", "task")
    cluster.clear()


@pytest.fixture
def api(job: dict[str, Any]) -> Cluster:
    kubeconfig = str(sandbox_cluster().limited)
    return Cluster(kubeconfig, NAMESPACE, timeout=5, per_second=1000, threads=2)


def test_a_patch_of_a_job_that_was_made_anew_is_a_conflict(
    api: Cluster, job: dict[str, Any]
) -> None:
    resume = {"spec": {"suspend": False}}
    with pytest.raises(Conflict):
        api.patch("jobs", "task", {**resume, "metadata": {"uid": "of-the-one-before"}})
    assert api.get("jobs", "task")["spec"]["suspend"] is True
    patched = api.patch("jobs", "task", {**resume, "metadata": {"uid": job["metadata"]["uid"]}})
    assert patched["spec"]["suspend"] is False


def test_what_is_not_valid_is_rejected(api: Cluster) -> None:
    with pytest.raises(Rejected):
        api.patch("jobs", "task", {"spec": {"completions": 7}})


def test_our_token_is_asked_for_now_and_then_and_at_once_where_it_was_refused(api: Cluster) -> None:
    """By the official client's own hook, which is how a file or a program renews a token."""
    asked: list[str] = []
    settings = api._api().configuration
    good = settings.api_key["BearerToken"]

    def renew(configuration: Any) -> None:
        asked.append("Bearer long-over" if not asked else good)
        configuration.api_key["BearerToken"] = asked[-1]

    settings.refresh_api_key_hook = renew
    with pytest.raises(Unavailable, match="401"):
        api.list("jobs")
    for _ in range(3):
        api.list("jobs")
    assert asked == ["Bearer long-over", good]


KUBECONFIGS = {
    "missing": None,
    "empty": "",
    "no YAML": "token: [s3cr3t",
    "no kubeconfig": "apiVersion: v1\nkind: Config\n",
    "a token's file that is not there": (
        "{apiVersion: v1, kind: Config, current-context: a,"
        " contexts: [{name: a, context: {cluster: c, user: u}}],"
        " clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}],"
        " users: [{name: u, user: {tokenFile: /nowhere}}]}"
    ),
}


@pytest.mark.parametrize("kind", list(KUBECONFIGS))
def test_a_kubeconfig_that_cannot_be_used_is_an_unavailable_cluster(
    tmp_path: Path, kind: str
) -> None:
    """So it is tried again, shown, and Tasks fall back meanwhile; nothing of it is quoted."""
    file, text = tmp_path / "kubeconfig", KUBECONFIGS[kind]
    if text is not None:
        file.write_text(text)
    api = Cluster(str(file), NAMESPACE, timeout=5, per_second=1000, threads=2)
    with pytest.raises(Unavailable, match="SWITCHYARD_KUBECONFIG.*cannot be used") as caught:
        api.get("jobs", "task")
    assert "s3cr3t" not in str(caught.value)
    file.write_text(Path(sandbox_cluster().limited).read_text())
    assert api.list("jobs")["kind"] == "JobList"


@pytest.mark.parametrize("status", ["400", "410", "422", "409"])
def test_a_question_has_no_other_answers_than_what_is_there_and_trouble(
    api: Cluster, status: str
) -> None:
    """No caller could react to anything else: the loops would take it for a bug."""
    sandbox_cluster().faults({"kind": status, "method": "GET"})
    for ask in (lambda: api.get("jobs", "task"), lambda: api.list("pods")):
        with pytest.raises(Unavailable):
            ask()


def test_a_list_of_a_namespace_that_is_gone_is_trouble(api: Cluster) -> None:
    sandbox_cluster().faults({"kind": "404", "method": "GET"})
    with pytest.raises(Unavailable):
        api.list("jobs")
    with pytest.raises(NotThere):
        api.get("jobs", "task")


class SomebodyElse(BaseHTTPRequestHandler):
    """Answers everything with 200 and a body that no API server would send."""

    bodies: Iterator[bytes] = iter(())

    def do_GET(self) -> None:
        body = next(type(self).bodies)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


def test_an_answer_that_is_not_the_clusters_is_trouble(api: Cluster) -> None:
    api.list("jobs")  # asking for the token reads the kubeconfig anew, and its host with it
    bodies = [b"{}", b"[]", b'{"metadata": {}}', b'{"metadata": null, "items": []}']
    SomebodyElse.bodies = iter(bodies * 3)
    with HTTPServer(("127.0.0.1", 0), SomebodyElse) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        api._api().configuration.host = f"http://127.0.0.1:{server.server_port}"
        for _ in bodies:
            for ask in (
                lambda: api.get("jobs", "task"),
                lambda: api.list("jobs"),
                lambda: api.create("jobs", {}),
            ):
                with pytest.raises(Unavailable):
                    ask()
        server.shutdown()


def test_it_is_told_whether_a_call_may_have_changed_something(
    api: Cluster, job: dict[str, Any]
) -> None:
    faults, spec = sandbox_cluster().faults, {"template": {"spec": POD}}
    for status in ("429", "403"):
        faults({"kind": status, "path": "jobs"})
        with pytest.raises(Untouched):
            api.create("jobs", {})
    for kind in ("500", "drop_answer", "reset"):
        faults({"kind": kind, "path": "jobs"})
        with pytest.raises(Unavailable) as caught:
            api.create("jobs", {"metadata": {"name": f"of-{kind[:4]}"}, "spec": spec})
        assert not isinstance(caught.value, Untouched), kind
    faults()
    api._api().configuration.host = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Untouched):
        api.create("jobs", {})

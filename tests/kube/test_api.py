"""The API client: one error class for each reaction, told by what a server really answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatch.backends import Rejected, Unavailable
from kube.api import Cluster, Conflict
from tests.kube.cluster import NAMESPACE, sandbox_cluster


@pytest.fixture
def job() -> Iterator[dict[str, Any]]:
    cluster = sandbox_cluster()
    cluster.clear()
    container = {"name": "test", "image": "registry.example/test:1"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    body = {"metadata": {"name": "task"}, "spec": {"suspend": True, "template": {"spec": pod}}}
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

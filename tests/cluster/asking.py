"""Questions to the parts of the cluster, over HTTP. None raises: what does not answer says no."""

from typing import Any

import requests
import yaml

from tests.cluster.layout import KUBELET_HEALTH_PORT, NODE, Layout

SECONDS = 5.0


def api_is_ready(layout: Layout) -> bool:
    return _ask_api(layout, "/readyz") == (200, None)


def node_is_ready(layout: Layout) -> bool:
    """Pods are placed on it: Ready, and the controllers have taken the taints off again."""
    status, node = _ask_api(layout, f"/api/v1/nodes/{NODE}")
    if status != 200 or not node:
        return False
    conditions = {item["type"]: item["status"] for item in node["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")


def accounts_are_made(layout: Layout) -> bool:
    """The controllers work: a pod of the namespace `default` would be accepted."""
    return _ask_api(layout, "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200


def registry_answers(layout: Layout) -> bool:
    return _status(f"http://{layout.registry}/v2/") == 200


def kubelet_is_healthy(layout: Layout) -> bool:
    return _status(f"http://{layout.inner_address}:{KUBELET_HEALTH_PORT}/healthz") == 200


def _status(url: str) -> int:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=SECONDS).status_code
        except requests.RequestException:
            return 0


def _ask_api(layout: Layout, path: str) -> tuple[int, dict[str, Any] | None]:
    """Status and, where it is JSON, body. 0: no answer."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(layout.secrets / "ca.crt")
        try:
            session.headers["Authorization"] = f"Bearer {_token(layout)}"
            answer = session.get(layout.api_url + path, timeout=SECONDS)
        except (requests.RequestException, OSError):
            return 0, None
    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    return answer.status_code, answer.json() if is_json else None


def _token(layout: Layout) -> str:
    config = yaml.safe_load(layout.kubeconfig.read_text())
    return str(config["users"][0]["user"]["token"])

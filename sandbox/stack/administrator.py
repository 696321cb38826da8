"""A real cluster as its administrator calls it: raw JSON both ways, through the official client, so
whatever a kubeconfig may hold is understood."""

import base64
import json
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

Json = dict[str, Any]
SECONDS = 20.0
# Kind of an object → where it is made.
GROUPS = {
    "ServiceAccount": "api/v1",
    "ResourceQuota": "api/v1",
    "LimitRange": "api/v1",
    "Namespace": "api/v1",
    "Role": "apis/rbac.authorization.k8s.io/v1",
    "RoleBinding": "apis/rbac.authorization.k8s.io/v1",
    "ClusterRole": "apis/rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1",
    "NetworkPolicy": "apis/networking.k8s.io/v1",
}
PLURALS = {"NetworkPolicy": "networkpolicies"}


class ClusterRefused(Exception):
    """The cluster cannot be asked, or said no; the message tells what."""


class Administrator:
    def __init__(self, kubeconfig: Path) -> None:
        settings = client.Configuration()
        try:
            config.load_kube_config(str(kubeconfig), client_configuration=settings)
        except (config.ConfigException, OSError) as error:
            raise ClusterRefused(f"{kubeconfig} cannot be used: {error}") from None
        except Exception as error:  # of what is no kubeconfig at all; it may quote what it holds
            why = type(error).__name__
            raise ClusterRefused(f"{kubeconfig} cannot be used: it is malformed ({why})") from None
        settings.retries = False
        self.settings = settings
        self._api = client.ApiClient(settings)

    @property
    def url(self) -> str:
        return str(self.settings.host)

    @property
    def authority(self) -> str:
        """The certificate that the API server's is signed with, in base64; "" for the system's."""
        path = self.settings.ssl_ca_cert
        return base64.b64encode(Path(path).read_bytes()).decode() if path else ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """None where it is not there, or there already. Raises ClusterRefused."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        try:
            answer = self._api.rest_client.request(
                method, self.url + path, headers=headers, body=body, _request_timeout=SECONDS
            )
            text = answer.read()
        except (HTTPError, ApiException, OSError) as error:
            raise ClusterRefused(f"{method} {path}: no answer from {self.url}: {error}") from None
        if answer.status in (404, 409):
            return None
        if answer.status >= 400:
            raise ClusterRefused(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text or b"{}")

    def make(self, item: Json) -> bool:
        """False where one of this name is there already."""
        return self.call("POST", place_of(item), item) is not None

    def remove(self, item: Json) -> None:
        name = item["metadata"]["name"]
        self.call("DELETE", f"{place_of(item)}/{name}", {"propagationPolicy": "Background"})


def place_of(item: Json) -> str:
    """Where objects of its kind are, from its kind and namespace."""
    kind, namespace = item["kind"], item["metadata"].get("namespace")
    within = f"namespaces/{namespace}/" if namespace else ""
    return f"/{GROUPS[kind]}/{within}{PLURALS.get(kind, kind.lower() + 's')}"

"""The kubelet's port: logs and pods as the real one has them, and /sandbox/ for the operator."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from . import logs, processes
from .disk import usage
from .faults import BadRule
from .instance import Instance
from .kubelet import Kubelet, kill_containers
from .pod import Pod
from .spec import ContainerSpec, Json
from .web import HttpError, Request, Response, Routes

_NAME = "[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
_ANSWER_SECONDS = 0.3


class KubeletApi:
    def __init__(self, kubelet: Kubelet, quit: Callable[[], None]) -> None:
        self._kubelet, self._quit = kubelet, quit

    @property
    def routes(self) -> Routes:
        place = f"(?P<namespace>{_NAME})/(?P<pod>{_NAME})/(?P<container>{_NAME})"
        return [
            ("GET", "/healthz", lambda request: Response(body="ok")),
            ("GET", "/pods", self.list_pods),
            ("GET", f"/containerLogs/{place}", self.get_logs),
            ("GET", "/sandbox/state", self.get_state),
            ("GET", "/sandbox/faults", self.get_faults),
            ("PUT", "/sandbox/faults", self.put_faults),
            ("PUT", "/sandbox/evict", self.put_evict),
            ("PUT", "/sandbox/oom", self.put_oom),
            ("PUT", "/sandbox/away", self.put_away),
            ("PUT", "/sandbox/lose-node", self.put_lose_node),
            ("PUT", "/sandbox/destroy-all", self.put_destroy_all),
        ]

    def list_pods(self, request: Request) -> Response:
        items = [pod.spec.raw for pod in self._kubelet.pods()]
        return Response(body={"kind": "PodList", "apiVersion": "v1", "items": items})

    def get_logs(
        self, request: Request, namespace: str, pod: str, container: str, **groups: str
    ) -> Response:
        if time.time() < self._kubelet.node.api.away_until:
            raise HttpError(503, "the node is away")
        found = self._find_pod(namespace, pod)
        if container not in [c.name for c in found.spec.containers]:
            raise HttpError(404, f"container {container} not found in pod {pod}_{namespace}")
        try:
            options = logs.parse(request.query, time.time())
        except logs.BadOption as error:
            raise HttpError(422, str(error)) from None
        instance = _instance(found, container, options.previous)
        ended = instance.ended
        return Response(stream=logs.read(instance.log, options, lambda: ended() is not None))

    def get_state(self, request: Request) -> Response:
        """What is there, and what of it is not enforced."""
        settings = self._kubelet.settings
        return Response(
            body={
                "node": settings.node,
                "speed": settings.speed,
                "images": self._kubelet.node.puller.on_node.all(),
                "pods": [_describe(pod) for pod in self._kubelet.pods()],
            }
        )

    def get_faults(self, request: Request) -> Response:
        return Response(body=self._kubelet.node.faults.describe())

    def put_faults(self, request: Request) -> Response:
        try:
            self._kubelet.node.faults.replace(request.json())
        except BadRule as error:
            raise HttpError(422, str(error)) from None
        return self.get_faults(request)

    def put_evict(self, request: Request) -> Response:
        """{"pod": …, "namespace": "default", "message": …}"""
        body = _object(request)
        self._named(body).evict(str(body.get("message") or ""))
        return Response(status=202, body={})

    def put_oom(self, request: Request) -> Response:
        """{"pod": …, "container": …, "namespace": "default", "exit_code": 137, "child": false}:
        with `child` what process 1 runs is killed, and not itself."""
        body = _object(request)
        pod = self._named(body)
        if body.get("container") not in [c.name for c in pod.spec.containers]:
            raise HttpError(404, f"container: {pod.spec.name} has no {body.get('container')}")
        kind = "oom_child" if body.get("child") else "oom"
        pod.doom(str(body["container"]), kind, int(body.get("exit_code", 137)))
        return Response(status=202, body={})

    def put_away(self, request: Request) -> Response:
        """{"seconds": N}: the kubelet neither talks nor acts for so long; 0 brings it back."""
        seconds = _object(request).get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise HttpError(422, "seconds: must be a number from 0")
        self._kubelet.node.api.away_until = time.time() + seconds if seconds else 0.0
        return Response(body={"seconds": seconds})

    def put_lose_node(self, request: Request) -> Response:
        """The machine is gone: every container and the kubelet end at once, without a word."""

        def lose() -> None:
            time.sleep(_ANSWER_SECONDS)  # so that this call is answered
            self._kubelet.node.api.away_until = float("inf")
            kill_containers(self._kubelet.settings.state)
            os.kill(os.getpid(), signal.SIGKILL)

        threading.Thread(target=lose, daemon=True).start()
        return Response(status=202, body={})

    def put_destroy_all(self, request: Request) -> Response:
        """Every container ends, every pod is forgotten, and the kubelet ends as well."""
        self._quit()
        return Response(status=202, body={})

    def _find_pod(self, namespace: str, name: str) -> Pod:
        found = self._kubelet.find(namespace, name)
        if found is None:
            raise HttpError(404, f'pod "{namespace}/{name}" not found')
        return found

    def _named(self, body: dict[str, Any]) -> Pod:
        return self._find_pod(str(body.get("namespace", "default")), str(body.get("pod")))


def _object(request: Request) -> dict[str, Any]:
    body = request.json()
    if not isinstance(body, dict):
        raise HttpError(400, "the body must be a JSON object")
    return body


def _instance(pod: Pod, container: str, previous: bool) -> Instance:
    """The run whose log is meant."""
    found = pod.record.of(container)
    run = found.last if previous or (found.run is None and found.last) else found.run
    if run is None:
        kind = "previous terminated container" if previous else "container"
        reason = found.waiting[0] if found.waiting else "ContainerCreating"
        raise HttpError(
            400,
            f'{kind} "{container}" in pod "{pod.spec.name}" '
            + ("not found" if previous else f"is waiting to start: {reason}"),
        )
    return Instance(pod.shelf.run(container, run.number), pod.node.mark(pod.spec.uid, container))


def _describe(pod: Pod) -> Json:
    record = pod.record
    found = processes.census(pod.node.mark(pod.spec.uid))
    return {
        "namespace": pod.spec.namespace,
        "name": pod.spec.name,
        "uid": pod.spec.uid,
        "over": record.over,
        "ending": record.ending.why if record.ending else None,
        "pids": sorted(process.pid for process in found),
        "bytes": usage(pod.shelf.folder),
        "directory": str(pod.shelf.folder),
        "containers": [_describe_container(pod, c) for c in pod.spec.containers],
    }


def _describe_container(pod: Pod, container: ContainerSpec) -> Json:
    found = pod.record.of(container.name)
    run, security = found.run, container.raw.get("securityContext") or {}
    resources = container.raw.get("resources") or {}
    hosts = any(m["mountPath"] == "/etc/hosts" for m in container.raw.get("volumeMounts") or [])
    return {
        "name": container.name,
        "kind": container.kind,
        "runs_as": run.kind if run else None,
        "root": str(pod.shelf.root(container.name)),
        "exit_code": run.exit_code if run else None,
        "not_enforced": {
            "user": run.user if run else None,
            "capabilities": security.get("capabilities"),
            "read_only_root": security.get("readOnlyRootFilesystem", False),
            "limits": resources.get("limits"),
            "own_hosts_file": hosts,
        },
    }

"""A container's log, fetched from the kubelet of the pod's node while it is read."""

from collections.abc import AsyncIterator

import aiohttp

from ..cluster import Cluster
from ..errors import ApiError, bad_request, internal, not_found
from ..resources import NODES
from ..store import Version
from ..wire import Request, Response, Stream
from .reading import find
from .routing import Target

_PASSED_ON = (
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
)
_CONNECT_SECONDS = 5.0


async def read_log(cluster: Cluster, request: Request, target: Target) -> Response | Stream:
    pod = find(cluster, target)
    container = _container(pod, request.query.get("container", ""))
    node = pod.obj["spec"].get("nodeName")
    if not node:
        return Response(code=204)
    where = _kubelet(cluster, node)
    url = f"{where}/containerLogs/{pod.namespace}/{pod.name}/{container}"
    query = {name: request.query[name] for name in _PASSED_ON if name in request.query}
    session = aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    )
    try:
        answer = await session.get(url, params=query)
    except (aiohttp.ClientError, TimeoutError) as error:
        await session.close()
        raise internal(f'Get "{url}": {error}') from None
    if answer.status >= 400:
        message = (await answer.text()).strip()
        await session.close()
        raise _refused(answer.status, message)
    return Stream(chunks=_chunks(session, answer), content_type="text/plain")


async def _chunks(
    session: aiohttp.ClientSession, answer: aiohttp.ClientResponse
) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except aiohttp.ClientError:
        return
    finally:
        await session.close()


def _refused(status: int, message: str) -> ApiError:
    reasons = {400: "BadRequest", 404: "NotFound"}
    if status in reasons:
        return ApiError(status, reasons[status], message)
    return internal(message or f"the kubelet answered {status}")


def _container(pod: Version, wanted: str) -> str:
    """Where none is named, it is the only main container, however many others there are."""
    spec = pod.obj["spec"]
    names = [c["name"] for c in spec["containers"]]
    every = [*(c["name"] for c in spec.get("initContainers") or ()), *names]
    if wanted:
        if wanted not in every:
            raise bad_request(f"container {wanted} is not valid for pod {pod.name}")
        return wanted
    if len(names) > 1:
        shown = f"choose one of: [{' '.join(every)}]"
        raise bad_request(f"a container name must be specified for pod {pod.name}, {shown}")
    return str(names[0])


def _kubelet(cluster: Cluster, name: str) -> str:
    """The URL of a node's kubelet, from what it says of itself. It listens on loopback."""
    node = cluster.store.get("nodes", "", name)
    if node is None:
        raise not_found(NODES, name)
    status = node.obj.get("status", {})
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
    if not port or cluster.faults.node_lost(name):
        raise internal(f'Get "http://{name}/containerLogs": dial tcp: no route to host')
    return f"http://127.0.0.1:{port}"

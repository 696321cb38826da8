"""Rules by which the sandbox cluster goes wrong. The control plane alone is lied to by the API:
what its node does then, is the sandbox's affair."""

from typing import Any

Rule = dict[str, Any]

CONTROL_PLANE = "^(?!kubelet|Python-urllib)"
BUSY = "Operation cannot be fulfilled: the object has been modified; please apply your changes"


def _lie(kind: str, **facts: Any) -> Rule:
    return {"kind": kind, "client": CONTROL_PLANE, **facts}


CALLS: list[Rule] = [
    _lie("500", probability=0.3, count=5),
    _lie("500", method="POST", worked=True, count=2),
    _lie("500", method="PATCH", worked=True, count=2),
    _lie("500", method="DELETE", worked=True, count=2),
    _lie("504", method="POST", worked=True, count=2),
    _lie("drop_answer", method="POST", count=2),
    _lie("drop_answer", method="PATCH", count=2),
    _lie("drop_answer", method="DELETE", count=2),
    # Longer than a call may take.
    _lie("hang_answer", method="POST", seconds="6:8", count=1),
    _lie("hang_answer", method="PATCH", seconds="6:8", count=1),
    _lie("hang", method="GET", path="/jobs/", seconds="6:8", count=1),
    _lie("latency", seconds="0.2:2", probability=0.3, count=10),
    _lie("reset", probability=0.3, count=5),
    _lie("429", retry_after=1, count=3),
    _lie("409", method="POST", message=BUSY, count=2),
    _lie("409", method="PATCH", message=BUSY, count=2),
    _lie("409", method="DELETE", message=BUSY, count=2),
    _lie("401", count=1),
    _lie("omit", objects=3, count=3),
    _lie("stale", seconds="1:4", count=3),
    {"kind": "quota_full", "resource": "jobs", "count": 3},
    {"kind": "lost_pod", "seconds": "1:6", "count": 1},
]
WATCHES: list[Rule] = [
    _lie("watch_silent"),
    _lie("watch_omit", probability=0.5),
    _lie("watch_duplicate", probability=0.5),
    _lie("watch_reorder", probability=0.5),
    _lie("watch_cut", probability=0.3, count=5),
    _lie("watch_expired", count=2),
    _lie("410", path="watch=true", count=2),
]
OURS = "^(tools|agent|clone|kaniko|test)$"
NODE: list[Rule] = [
    {"kind": "pull_network", "count": 2},
    {"kind": "pull_no_host", "container": "test", "count": 1},
    {"kind": "slow_pull", "seconds": "20", "count": 2},
    {"kind": "slow_start", "seconds": "10", "count": 3},
    {"kind": "slow_service", "seconds": "20", "count": 2},
    {"kind": "crash", "container": OURS, "seconds": "1:10", "count": 1},
    {"kind": "evict", "seconds": "5:30", "count": 1},
    {"kind": "ignore_term", "count": 2},
]
REGISTRY: list[Rule] = [
    {"status": 500, "method": "PUT", "path": "/manifests/", "count": 2},
    {"status": 401, "method": "GET", "path": "/manifests/", "count": 1},
    {"status": 429, "count": 3},
    {"status": 500, "method": "POST", "count": 2},
]

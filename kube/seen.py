"""What was seen of a Job when its attempt ended: small enough to be kept in the Task's story, and
without secrets. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kube.pod import last_seen

Json = dict[str, Any]

MOST_EVENTS, MOST_CONTAINERS, MOST_PODS = 20, 40, 3
LONGEST_TEXT = 400


def what_was_seen(
    job: Json, pods: Sequence[Json], events: Sequence[Json], clean: Callable[[str], str]
) -> Json:
    """`clean` takes secrets out of a text."""

    def text(value: Any) -> str:
        return clean(str(value or ""))[-LONGEST_TEXT:]

    found = {
        "job": {
            "name": text(job["metadata"].get("name")),
            "uid": text(job["metadata"].get("uid")),
            "conditions": list(_conditions(job, text)),
        },
        "pods": [_pod(pod, text) for pod in pods[:MOST_PODS]],
        "events": [_event(event, text) for event in _last(events)],
    }
    return found


def _conditions(item: Json, text: Callable[[Any], str]) -> Iterator[Json]:
    for condition in ((item.get("status") or {}).get("conditions") or [])[:MOST_EVENTS]:
        names = ("type", "status", "reason", "message", "lastTransitionTime")
        yield {name: text(condition[name]) for name in names if condition.get(name)}


def _pod(pod: Json, text: Callable[[Any], str]) -> Json:
    metadata, spec, status = (pod.get(name) or {} for name in ("metadata", "spec", "status"))
    facts = {
        "name": metadata.get("name"),
        "uid": metadata.get("uid"),
        "deleted": metadata.get("deletionTimestamp"),
        "node": spec.get("nodeName"),
        **{name: status.get(name) for name in ("phase", "reason", "message", "startTime")},
    }
    every = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    return {
        **{name: text(value) for name, value in facts.items() if value},
        "conditions": list(_conditions(pod, text)),
        "containers": {
            text(item["name"]): _container(item, text) for item in every[:MOST_CONTAINERS]
        },
    }


def _container(status: Json, text: Callable[[Any], str]) -> Json:
    found: Json = {}
    states = {"state": status.get("state") or {}, "last": status.get("lastState") or {}}
    for where, state in states.items():
        for kind, facts in state.items():
            names = ("reason", "exitCode", "signal", "startedAt", "finishedAt", "message")
            told = {name: text(facts[name]) for name in names if (facts or {}).get(name)}
            if "exitCode" in (facts or {}):
                told["exitCode"] = facts["exitCode"]
            found[where] = {kind: told}
    if status.get("restartCount"):
        found["restarts"] = status["restartCount"]
    return found


def _last(events: Sequence[Json]) -> list[Json]:
    ordered = sorted(events, key=lambda event: str(last_seen(event) or ""))
    return ordered[-MOST_EVENTS:]


def _event(event: Json, text: Callable[[Any], str]) -> Json:
    involved = event.get("involvedObject") or {}
    facts = {
        "at": event.get("lastTimestamp") or event.get("eventTime"),
        "of": involved.get("fieldPath") or involved.get("kind"),
        "reason": event.get("reason"),
        "message": event.get("message"),
    }
    found: Json = {name: text(value) for name, value in facts.items() if value}
    if (event.get("count") or 1) > 1:
        found["count"] = event["count"]
    return found

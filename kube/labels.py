"""What the labels of an object say whose it is."""

from typing import Any
from uuid import UUID

from kube.manifest.job import ASSIGNMENT

Json = dict[str, Any]


def assignment_of(item: Json) -> UUID | None:
    """Which one a Job or a pod says that it is of."""
    try:
        return UUID(item["metadata"]["labels"][ASSIGNMENT])
    except (KeyError, TypeError, ValueError):
        return None


def job_of(pod: Json) -> str:
    """The name of the Job that it says it is of; "" where it names none."""
    return str((pod["metadata"].get("labels") or {}).get("job-name", ""))

"""From an Assignment's rows to the manifests of its Job."""

import hashlib
from uuid import UUID

from dispatch import encryption, tokens
from dispatch.backends import Eligibility, Rejected
from dispatch.models import Assignment, SuiteRun
from dispatch.placement import spec_of_task
from kube.config import Config
from kube.eligibility import sources_of
from kube.manifest.job import Manifests, manifests
from kube.manifest.request import JobRequest
from kube.manifest.values import TaskRefused
from kube.planner.plan import Plan, PlanRefused
from kube.planner.planning import plan


def with_rows(assignment_id: UUID) -> Assignment:
    """The Assignment as it is now, with all rows that its manifests are made from."""
    rows = Assignment.objects.select_related("task__suite_run", "task__secret")
    return rows.get(pk=assignment_id)


def manifests_of(assignment: Assignment, config: Config, suffix: str = "") -> Manifests:
    """The same for the same Assignment and suffix, whenever it is asked. Raises Rejected."""
    found = _plan(assignment)
    try:
        return manifests(found, request_of(assignment, config, suffix), config.manifest)
    except TaskRefused as refusal:
        raise Rejected(str(refusal)) from None


def _plan(assignment: Assignment) -> Plan:
    sources = sources_of(spec_of_task(assignment.task))
    if isinstance(sources, Eligibility):
        raise Rejected("; ".join(sources.reasons))
    found = plan(sources)
    if isinstance(found, PlanRefused):
        raise Rejected("; ".join(str(problem) for problem in found.problems))
    return found


def request_of(assignment: Assignment, config: Config, suffix: str = "") -> JobRequest:
    task, suite_run = assignment.task, assignment.task.suite_run
    repository = f"{config.registry}/{repository_path(suite_run)}"
    return JobRequest(
        task_id=task.pk,
        assignment_id=assignment.pk,
        attempt=assignment.number,
        account=suite_run.account,
        repository=suite_run.repository,
        commit=suite_run.commit,
        clone_url=suite_run.clone_url or f"https://github.com/{suite_run.repository}.git",
        timeout_seconds=task.timeout_seconds,
        image=f"{repository}:{task.pk}-a{assignment.number}",
        cache_repository=f"{repository}/cache" if config.cache else "",
        size=min(assignment.size_class, len(config.manifest.classes) - 1),
        suffix=suffix,
        labels=task.labels,
        token=tokens.derive("assignment", assignment.pk),
        variables=_variables(assignment),
    )


def repository_path(suite_run: SuiteRun) -> str:
    """Of one tenant alone: accounts and repositories that look alike in small letters differ."""
    whole = f"{suite_run.account}/{suite_run.repository}"
    return f"r-{hashlib.sha256(whole.encode()).hexdigest()[:24]}"


def _variables(assignment: Assignment) -> dict[str, str]:
    secret = getattr(assignment.task, "secret", None)
    return encryption.decrypt_mapping(secret.ciphertext) if secret else {}

"""From an Assignment's rows to the manifests of its Job."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from dispatch import encryption, tokens
from dispatch.backends import Eligibility, Rejected
from dispatch.models import Assignment, SuiteRun
from dispatch.placement import spec_of_task
from kube.config import Config
from kube.eligibility import sources_of
from kube.manifest.builder import what_is_built
from kube.manifest.job import Manifests, manifests
from kube.manifest.request import ImageSource, JobRequest
from kube.manifest.values import TaskRefused
from kube.planner.plan import Plan, PlanRefused
from kube.planner.planning import plan


def with_rows(assignment_id: UUID) -> Assignment:
    """The Assignment as it is now, with all rows that its manifests are made from."""
    rows = Assignment.objects.select_related("task__suite_run", "task__secret")
    return rows.get(pk=assignment_id)


def manifests_of(
    assignment: Assignment, config: Config, suffix: str = "", source: ImageSource | None = None
) -> Manifests:
    """The same for the same Assignment, suffix and source of the image (None: it builds its own),
    whenever it is asked. Raises Rejected."""
    found = plan_of(assignment)
    return made(found, request_of(assignment, config, suffix, source), config)


def made(found: Plan, request: JobRequest, config: Config) -> Manifests:
    """Raises Rejected."""
    with _refusals():
        return manifests(found, request, config.manifest)


def key_of(assignment: Assignment, found: Plan, request: JobRequest, config: Config) -> str:
    """Who has the same key could run the same image. It tells nobody what secrets are in it, and
    cannot be guessed: it is made with a key of ours. Raises Rejected."""
    with _refusals():
        dockerfile = assignment.task.suite_run.dockerfile_text or ""
        whole = what_is_built(found, request, config.manifest, dockerfile)
    repository = request.image.rpartition(":")[0]
    text = json.dumps({**whole, "image": repository}, sort_keys=True)
    return tokens.derive("image", text).rpartition(".")[2]


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except TaskRefused as refusal:
        raise Rejected(str(refusal)) from None


def plan_of(assignment: Assignment) -> Plan:
    """Raises Rejected."""
    sources = sources_of(spec_of_task(assignment.task))
    if isinstance(sources, Eligibility):
        raise Rejected("; ".join(sources.reasons))
    found = plan(sources)
    if isinstance(found, PlanRefused):
        raise Rejected("; ".join(str(problem) for problem in found.problems))
    return found


def request_of(
    assignment: Assignment, config: Config, suffix: str = "", source: ImageSource | None = None
) -> JobRequest:
    """Two that build the same at once push to places of their own."""
    task, suite_run = assignment.task, assignment.task.suite_run
    repository = f"{config.registry}/{repository_path(suite_run)}"
    own = ImageSource(reference=f"{repository}:{task.pk}-a{assignment.number}")
    return JobRequest(
        task_id=task.pk,
        assignment_id=assignment.pk,
        attempt=assignment.number,
        account=suite_run.account,
        repository=suite_run.repository,
        commit=suite_run.commit,
        clone_url=suite_run.clone_url or f"https://github.com/{suite_run.repository}.git",
        timeout_seconds=task.timeout_seconds,
        source=source or own,
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

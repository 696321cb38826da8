"""Whether a Task could run on Kubernetes: whether a plan can be made for its suite run."""

from dispatch.backends import Eligibility, TaskSpec
from kube.planner.plan import PlanRefused
from kube.planner.planning import Sources, plan

MISSING = "the {} was not sent: send `{}` to run this on Kubernetes"


def eligible(spec: TaskSpec) -> Eligibility:
    """Pure. The reasons name service, key and remedy."""
    sources = sources_of(spec)
    if isinstance(sources, Eligibility):
        return sources
    found = plan(sources)
    if isinstance(found, PlanRefused):
        return Eligibility(reasons=tuple(str(problem) for problem in found.problems))
    return Eligibility()


def sources_of(spec: TaskSpec) -> Sources | Eligibility:
    """What the planner reads of a Task, or why there is nothing to read."""
    compose, dockerfile = spec.compose_text, spec.dockerfile_text
    if compose is None or dockerfile is None:
        missing = (
            MISSING.format(name, field)
            for name, field, text in (
                ("compose file", "compose_text", compose),
                ("Dockerfile", "dockerfile_text", dockerfile),
            )
            if text is None
        )
        return Eligibility(reasons=tuple(missing))
    known = {key: spec.paths[name] for name, key in PATHS.items() if spec.paths.get(name)}
    return Sources(compose_text=compose, dockerfile_text=dockerfile, **known)


PATHS = {"compose": "compose_path", "dockerfile": "dockerfile_path", "service": "service"}

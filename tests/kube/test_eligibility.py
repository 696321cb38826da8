"""A Task is eligible where a plan can be made for it, and hears why where not."""

from dispatch.backends import TaskSpec
from kube.eligibility import eligible
from sandbox.samples import COMPOSE_FILE
from tests.kube.making import DOCKERFILE, MAIN


def spec(**overrides: object) -> TaskSpec:
    values: dict[str, object] = {
        "account": "acme",
        "repository": "acme/shop",
        "commit": "c0ffee",
        "compose_text": MAIN,
        "dockerfile_text": DOCKERFILE,
    }
    return TaskSpec(**{**values, **overrides})  # type: ignore[arg-type]


def test_a_task_with_both_texts_is_eligible() -> None:
    assert eligible(spec())
    assert eligible(spec(compose_text=COMPOSE_FILE))


def test_a_task_without_a_text_is_not_and_hears_which() -> None:
    reasons = eligible(spec(compose_text=None, dockerfile_text=None)).reasons
    assert reasons == (
        "the compose file was not sent: send `compose_text` to run this on Kubernetes",
        "the Dockerfile was not sent: send `dockerfile_text` to run this on Kubernetes",
    )
    assert len(eligible(spec(dockerfile_text=None)).reasons) == 1


def test_a_problem_is_a_reason_with_service_key_and_remedy() -> None:
    compose = MAIN + "    privileged: true\n"
    (reason,) = eligible(spec(compose_text=compose)).reasons
    assert reason == (
        "service saturn_test_app, privileged: no service gets more rights than any other container;"
        " take it out, or use an image that runs without"
    )


def test_the_paths_of_the_task_count() -> None:
    compose = "services: {web: {build: .}, worker: {build: .}}"
    paths = {
        "compose": "compose.yml",
        "dockerfile": "Dockerfile",
        "pre_script": "pre.sh",
        "service": "web",
    }
    assert eligible(spec(compose_text=compose, paths=paths))
    assert not eligible(spec(compose_text=compose))
    assert not eligible(spec(compose_text=compose, paths={**paths, "service": "db"}))

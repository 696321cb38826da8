"""The image is built from a folder of the repository, with the Dockerfile whose text is known."""

import pytest

from kube.planner.plan import Build
from tests.kube.making import make_plan, problems_of


def compose(build: str) -> str:
    return f"services: {{saturn_test_app: {{build: {build}}}}}"


@pytest.mark.parametrize(
    ("build", "compose_path", "dockerfile_path", "expected"),
    [
        ("{context: .., dockerfile: ci/D}", "ci/c.yml", "ci/D",
         Build(context="", dockerfile="ci/D")),
        (".", "c.yml", "Dockerfile", Build(context="", dockerfile="Dockerfile")),
        ("./app", "c.yml", "app/Dockerfile", Build(context="app", dockerfile="app/Dockerfile")),
        ("{context: app, dockerfile: ../x/D}", "./c.yml", "./x/D",
         Build(context="app", dockerfile="x/D")),
        ("{dockerfile: D}", "ci/c.yml", "ci/D", Build(context="ci", dockerfile="ci/D")),
        ("..", "ci/c.yml", "Dockerfile", Build(context="", dockerfile="Dockerfile")),
    ],
)  # fmt: skip
def test_paths_are_the_repositorys(
    build: str, compose_path: str, dockerfile_path: str, expected: Build
) -> None:
    plan = make_plan(compose(build), compose_path=compose_path, dockerfile_path=dockerfile_path)
    assert plan.build == expected


GOOD = "context: .., dockerfile: .saturnci/Dockerfile"


def test_arguments_may_be_the_tasks_own() -> None:
    build = make_plan(compose(f"{{{GOOD}, args: [A=1, B, 'C=${{X:-y}}']}}")).build
    found = {name: value and value.render({}) for name, value in build.args.items()}
    assert found == {"A": "1", "B": None, "C": "y"}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ("{context: ..}", "build.dockerfile: this is `Dockerfile`, but the Dockerfile that was"),
        ("{context: 'https://a.example/b.git'}", "build.context: `https://a.example/b.git` is not"),
        ("{context: git@github.com:a/b}", "is not in the repository"),
        ("{context: /srv}", "build.context: `/srv` is an absolute path"),
        ("{context: ../..}", "leads out of the repository"),
        (f"{{{GOOD}, target: 'a b'}}", "build.target: `a b` is no name of a stage"),
        (f"{{{GOOD}, platforms: [linux/amd64, linux/arm]}}", "`linux/arm` is not what the nodes"),
        (f"{{{GOOD}, args: {{'a b': 1}}}}", "`a b` is no name for an argument"),
        (f"{{{GOOD}, args: {{a: [1]}}}}", "build.args.a: a list is not what is read here"),
        (f"{{{GOOD}, additional_contexts: {{a: b}}}}", "build.additional_contexts: there is one"),
        (f"{{{GOOD}, dockerfile_inline: FROM a}}", "build.dockerfile_inline: the Dockerfile is"),
        (f"{{{GOOD}, secrets: [a]}}", "build.secrets: the build is given no secrets"),
        (f"{{{GOOD}, ssh: default}}", "build.ssh"),
        (f"{{{GOOD}, network: host}}", "build.network"),
        (f"{{{GOOD}, privileged: true}}", "build.privileged"),
        (f"{{{GOOD}, extra_hosts: [a=1.1.1.1]}}", "build.extra_hosts"),
        (f"{{{GOOD}, taget: a}}", "did you mean `target`?"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_told(build: str, words: str) -> None:
    problem = problems_of(compose(build))[0]
    assert problem.startswith("service saturn_test_app, build") and words in problem


def test_what_is_the_builders_own_is_left_aside() -> None:
    notes = make_plan(compose(f"{{{GOOD}, cache_from: [x], shm_size: 1g, no_cache: true}}")).notes
    assert [note.key for note in notes] == ["build.cache_from", "build.shm_size", "build.no_cache"]

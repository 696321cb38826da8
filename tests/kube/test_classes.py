import pytest

from dispatch.env import EnvError
from kube.classes import VARIABLE, classes
from kube.manifest.settings import GI, LARGE, MI, STANDARD, Resources


def test_the_default_is_the_one_of_the_manifests() -> None:
    assert classes() == (STANDARD, LARGE)


def test_a_class_is_for_builder_and_tests_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "small:0.1/0.5:64Mi/256Mi:64Mi/1Gi, big:0.2/2:64Mi/1Gi:1Gi/2Gi")
    small, big = classes()
    assert (small.name, big.name) == ("small", "big")
    assert small.builder == small.test
    assert small.test == Resources(
        cpu=0.1,
        cpu_limit=0.5,
        memory=64 * MI,
        memory_limit=256 * MI,
        disk=64 * MI,
        disk_limit=GI,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "small",
        "small:1/2:1Gi:1Gi",
        "small:1/2:1G/2G:1Gi/2Gi",
        "small:1:1Gi/2Gi:1Gi/2Gi",
        "small:2/1:1Gi/2Gi:1Gi/2Gi",
        "small:many/2:1Gi/2Gi:1Gi/2Gi",
        "small:nan/2:1Gi/2Gi:1Gi/2Gi",
        "small:0/1:1Gi/2Gi:1Gi/2Gi",
        ":1/2:1Gi/2Gi:1Gi/2Gi",
        "small:1/2:2Gi/1Gi:1Gi/2Gi",
        "small:1/2:1Gi/2Gi:0Gi/2Gi",
        "a:1/2:1Gi/2Gi:1Gi/2Gi,a:1/2:1Gi/4Gi:1Gi/2Gi",
        "a:1/2:1Gi/4Gi:1Gi/2Gi,b:1/2:1Gi/2Gi:1Gi/2Gi",
    ],
)
def test_anything_else_is_refused_with_its_form(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(EnvError, match=f"{VARIABLE}.*NAME:CPUS/LIMIT:MEMORY/LIMIT"):
        classes()

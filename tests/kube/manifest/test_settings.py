"""Sizes as Kubernetes writes them."""

import pytest

from kube.manifest.settings import GI, LARGE, MI, STANDARD, cpus, quantity


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (GI, "1Gi"),
        (3 * GI, "3Gi"),
        (1536 * MI, "1536Mi"),
        (1000, "1000"),
        (0, "0"),
        (GI + 1, str(GI + 1)),
    ],
)
def test_bytes_have_the_largest_exact_unit(size: int, text: str) -> None:
    assert quantity(size) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1"),
        (1.5, "1500m"),
        (0.1, "100m"),
        (0.0001, "1m"),
        (2.0, "2"),
        (0.07, "70m"),
        (4.1, "4100m"),
    ],
)
def test_cpus_are_counted_in_thousandths(number: float, text: str) -> None:
    assert cpus(number) == text


def test_each_class_is_larger_than_the_one_before() -> None:
    for kind in ("builder", "test"):
        small, large = getattr(STANDARD, kind), getattr(LARGE, kind)
        assert small.memory_limit < large.memory_limit and small.cpu <= large.cpu

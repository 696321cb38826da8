import pytest

from tests.cluster import packages
from tests.cluster.errors import ClusterError


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    signs = {"runc": "no-such-program", "plugins": "/no/such/file", "libc-bin": "ldd"}
    monkeypatch.setattr(packages, "PACKAGES", signs)
    with pytest.raises(ClusterError, match="apt-get install .* runc plugins") as raised:
        packages.check_machine(builds=False)
    assert "libc-bin" not in str(raised.value)


def test_go_is_needed_only_where_something_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PACKAGES", {"runc": "no-such-program"})
    monkeypatch.setattr(packages, "program", lambda name: None)
    with pytest.raises(ClusterError, match="Go is missing"):
        packages.check_machine(builds=True)
    with pytest.raises(ClusterError) as raised:
        packages.check_machine(builds=False)
    assert "Go" not in str(raised.value)


def test_programs_of_the_system_are_found_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert packages.is_there("ls")
    assert not packages.is_there("no-such-program")

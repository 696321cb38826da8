"""Over real HTTP, with the real git."""

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.git_server import LARGEST_REQUEST, GitServer, served
from sandbox.launching import ROOT
from sandbox.samples import Sample, create_samples

TOKEN = "ghs_of-an-installation"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return create_samples(tmp_path_factory.mktemp("repositories"))["passing"]


@pytest.fixture
def root(sample: Sample) -> Path:
    return Path(sample.clone_url.removeprefix("file://")).parent


@pytest.fixture
def server(root: Path) -> Iterator[GitServer]:
    with served(root) as server:
        yield server


@pytest.fixture
def guarded(root: Path) -> Iterator[GitServer]:
    with served(root, token=TOKEN) as server:
        yield server


def git(folder: Path, *arguments: str, header: str = "") -> subprocess.CompletedProcess[str]:
    settings = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
    if header:
        settings |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {header}",
        }
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **settings},
        capture_output=True,
        text=True,
        timeout=30,
    )


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def status(url: str, data: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_repository_is_cloned(server: GitServer, tmp_path: Path, sample: Sample) -> None:
    done = git(tmp_path, "clone", "--quiet", f"{server.url}/passing", "here")
    assert done.returncode == 0, done.stderr
    assert git(tmp_path / "here", "rev-parse", "HEAD").stdout.strip() == sample.commit


def test_one_commit_is_fetched_by_its_id(server: GitServer, tmp_path: Path, sample: Sample) -> None:
    git(tmp_path, "init", "--quiet")
    asked = ("fetch", "--quiet", "--depth=1", f"{server.url}/passing", sample.commit)
    done = git(tmp_path, *asked)
    assert done.returncode == 0, done.stderr
    assert git(tmp_path, "rev-parse", "FETCH_HEAD").stdout.strip() == sample.commit


def test_whoever_brings_the_token_is_let_in(guarded: GitServer, tmp_path: Path) -> None:
    header = basic("x-access-token", TOKEN)
    done = git(tmp_path, "clone", "--quiet", f"{guarded.url}/passing", "here", header=header)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "header",
    ["", f"Bearer {TOKEN}", basic("x-access-token", "another"), basic("git", TOKEN)],
    ids=["nothing", "bearer", "another token", "another user"],
)
def test_nobody_else_is(guarded: GitServer, tmp_path: Path, header: str) -> None:
    done = git(tmp_path, "clone", "--quiet", f"{guarded.url}/passing", "here", header=header)
    assert done.returncode != 0
    assert not (tmp_path / "here").exists()


def test_nothing_is_pushed(server: GitServer, tmp_path: Path, root: Path, sample: Sample) -> None:
    git(tmp_path, "clone", "--quiet", f"{server.url}/passing", "here")
    done = git(tmp_path / "here", "push", "--quiet", "origin", "HEAD:refs/heads/other")
    assert done.returncode != 0 and "403" in done.stderr
    assert "other" not in git(root / "passing", "branch", "--list").stdout


def test_what_is_not_below_the_folder_is_not_given(server: GitServer) -> None:
    query = "info/refs?service=git-upload-pack"
    assert status(f"{server.url}/nothing/{query}") == 404
    assert status(f"{server.url}/%2e%2e/passing/{query}") == 400


def test_too_large_a_request_is_refused(server: GitServer) -> None:
    url = f"{server.url}/passing/git-upload-pack"
    assert status(url, b"0" * 100) != 413
    request = urllib.request.Request(url, b"", {"Content-Length": str(LARGEST_REQUEST + 1)})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 413


def test_as_a_program_it_says_where_it_is_and_ends_when_told(root: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.git_server", "--root", str(root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        url = json.loads(process.stdout.readline())["url"]
        done = git(tmp_path, "ls-remote", f"{url}/passing", "main")
        assert "refs/heads/main" in done.stdout, done.stderr
    finally:
        process.terminate()
        assert process.wait(20) == 0

import os
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.cluster import base_image
from tests.cluster.base_image import mirror_in
from tests.cluster.errors import ClusterError
from tests.cluster.layout import cache

UPDATES = "Debian|bookworm-updates|bookworm-updates|main|Packages|http://updates.test/debian/"
SECURITY = "Debian|bookworm-security|bookworm-security|main|Packages|http://security.test/debian/"
NEWER = "Debian|trixie|trixie|main|Packages|http://newer.test/debian/"
RIGHT = "Debian|bookworm|oldstable|main|Packages|http://right.test/debian/"
UNREAD = "$(ORIGIN)|$(CODENAME)|bookworm|main|Packages|https://unread.test/debian/"


def test_the_archive_of_that_release_is_used_wherever_it_stands() -> None:
    assert mirror_in("\n".join([UPDATES, SECURITY, NEWER, RIGHT])) == "http://right.test/debian/"


def test_one_that_apt_has_not_read_yet_is_used_too() -> None:
    assert mirror_in(UNREAD) == "https://unread.test/debian/"


def test_debians_archive_of_another_release_serves_where_that_one_is_not_configured() -> None:
    assert mirror_in("\n".join([SECURITY, NEWER])) == "http://newer.test/debian/"


@pytest.mark.parametrize(
    "line",
    [
        UPDATES,
        RIGHT.replace("|main|", "|contrib|"),
        RIGHT.replace("|Packages|", "|Translations|"),
        RIGHT.replace("http://right.test", "cdrom:[Debian 12]"),
        "Node Source|nodistro|nodistro|main|Packages|https://node.test/",
    ],
)
def test_nothing_else_is_taken_for_it(line: str) -> None:
    assert mirror_in(line) == ""


def test_the_proxy_of_apt_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "apt.conf"
    config.write_text(
        'Acquire::http::Proxy "http://127.0.0.1:9/";\nAcquire::https::Proxy "DIRECT";'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    assert base_image._proxies() == {"http_proxy": "http://127.0.0.1:9/"}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """A mirror whose release somebody else has signed, if anybody."""
    release = tmp_path / "archive" / "dists" / "bookworm"
    release.mkdir(parents=True)
    for name in ("InRelease", "Release", "Release.gpg"):
        (release / name).write_text("Suite: bookworm\nCodename: bookworm\n")
    serve = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "archive"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), serve)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.cluster
def test_what_debian_has_not_signed_is_refused_and_nothing_half_made_stays(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, config = tmp_path / "sources.list", tmp_path / "apt.conf"
    sources.write_text(f"deb {archive} bookworm main\n")
    config.write_text(f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/nonexistent";')
    monkeypatch.setenv("APT_CONFIG", str(config))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ClusterError, match="(?s)could not be made.*signature"):
        base_image._make("never.test/base:1", print)
    assert os.listdir(cache()) == ["build-base.log"]

"""The values of a Task that end up in shells, paths and image names: refused when they are not
what they should be."""

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from rest_framework.exceptions import ValidationError

from dispatch.api.fields import Items, Mapping, Text

NAME_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
OWNER_AND_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}/(?!\.{1,2}\Z)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
LABEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,62}\Z")
NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/\.|[/.]\Z|\.lock(/|\Z)|^@\Z")
SCHEMES = ("https", "http", "ssh", "git")
DEFAULT_PATHS = {
    "dockerfile": ".saturnci/Dockerfile",
    "compose": ".saturnci/docker-compose.yml",
    "pre_script": ".saturnci/pre.sh",
    "service": "saturn_test_app",
}

# They would override the agents' own variables, or steer the programs that agents call.
PROTECTED_NAMES = frozenset(
    {
        "SATURNCI_API_HOST",
        "WORKER_ID",
        "WORKER_ACCESS_TOKEN",
        "TASK_ID",
        "RUN_ID",
        "TEST_SUITE_RUN_ID",
        "RUN_ORDER_INDEX",
        "NUMBER_OF_CONCURRENT_RUNS",
        "COMMIT_HASH",
        "RSPEC_SEED",
        "PROJECT_NAME",
        "BRANCH_NAME",
        "GITHUB_INSTALLATION_ID",
        "GITHUB_REPO_FULL_NAME",
        "SOURCE_ENV_FILE_PATH",
        "RETRY_INTERVAL_IN_SECONDS",
        "PATH",
        "HOME",
        "RUBYOPT",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "BASH_ENV",
    }
)
PROTECTED_IN_ANY_CASE = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
LONGEST_NAME = 200
MOST_ENV_BYTES = 256_000


class ImageName(Text):
    """A project's name: it becomes part of an image reference."""

    def __init__(self, **options: Any) -> None:
        hint = "use lower-case letters and digits, with . _ - or / between them"
        super().__init__(pattern=f"{NAME_PART}(?:/{NAME_PART})*", hint=hint, **options)


class Branch(Text):
    """Whatever git takes as the name of a branch."""

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if NO_BRANCH.search(name):
            raise ValidationError("Is no name that git takes for a branch: give one, as in main.")
        return name


class RelativePath(Text):
    """A path inside the repository."""

    def to_internal_value(self, data: Any) -> str:
        path = super().to_internal_value(data)
        if why := _no_path(path):
            raise ValidationError(why)
        return path


def _no_path(path: str) -> str:
    if path.startswith("/"):
        return "Is an absolute path: give one that starts at the repository's root."
    if ".." in path.split("/"):
        return "Leads out of the repository: leave out `..`."
    if path.startswith("-"):
        return "Looks like an option: put ./ in front of it."
    if CONTROL.search(path) or "\\" in path:
        return "Holds a control character or a backslash: use / between folders."
    return ""


class CloneUrl(Text):
    """Where the repository is cloned from. Credentials never travel in it."""

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data)
        if why := _no_clone_url(url):
            raise ValidationError(why)
        return url


def _no_clone_url(url: str) -> str:
    example = "give one as in https://github.com/owner/name.git"
    if CONTROL.search(url) or " " in url:
        return f"Holds a space or a control character: {example}."
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError as error:
        return f"Is no URL ({error}): {example}."
    if parts.scheme == "file":
        return _no_file_url(parts)
    if parts.scheme not in SCHEMES or not parts.hostname or not parts.path.strip("/"):
        return f"Is no URL with {', '.join(SCHEMES)}, a host and a path: {example}."
    if parts.hostname.startswith("-"):
        return f"Has a host that looks like an option: {example}."
    return _no_credentials(parts)


def _no_file_url(parts: SplitResult) -> str:
    if not settings.ALLOW_FILE_CLONE_URLS:
        return "Is a file URL, which this installation does not take: give one with https."
    if parts.netloc or not parts.path.strip("/"):
        return "Is no file URL with a path: give one as in file:///srv/repositories/shop.git."
    return ""


def _no_credentials(parts: SplitResult) -> str:
    user_is_fine = parts.scheme == "ssh" and not (parts.username or "").startswith("-")
    if parts.password is not None or (parts.username is not None and not user_is_fine):
        return "Holds credentials: leave them out; agents get their own."
    return ""


class EnvVars(Mapping):
    """Environment variables of the tests; kept encrypted, and shown to nobody again."""

    def refuse_name(self, name: str) -> str:
        if len(name) > LONGEST_NAME or not SHELL_NAME.match(name):
            return "Is no name for a variable: use letters, digits and _, no digit first."
        protected = name in PROTECTED_NAMES or name.startswith("GIT_")
        if protected or name.upper() in PROTECTED_IN_ANY_CASE:
            return "Belongs to the agents: use another name."
        return ""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        found = super().to_internal_value(data)
        size = sum(len(name) + len(value.encode()) for name, value in found.items())
        if size > MOST_ENV_BYTES:
            raise ValidationError(f"Holds {size} bytes: {MOST_ENV_BYTES} are allowed.")
        return found


class Labels(Mapping):
    def refuse_name(self, name: str) -> str:
        if LABEL_NAME.match(name):
            return ""
        return "Is no name for a label: a letter, then at most 62 of letters, digits, _ . : / -."


class TestFiles(Items):
    """The test files of one shard, in place of the selection by seed and order."""

    __test__ = False  # no test class, in spite of its name

    def __init__(self, **options: Any) -> None:
        child = RelativePath(max_length=500)
        super().__init__(child=child, allow_empty=False, max_length=10_000, **options)

"""What may be sent to the dispatch API."""

from typing import Any

from rest_framework.exceptions import ValidationError

from dispatch.api.fields import Identifier, Items, Request, Text, WholeNumber
from dispatch.api.values import (
    DEFAULT_PATHS,
    OWNER_AND_NAME,
    Branch,
    CloneUrl,
    EnvVars,
    ImageName,
    Labels,
    RelativePath,
    TestFiles,
)

ACCOUNT = r"[A-Za-z0-9_.:@/-]+"
ID = r"[A-Za-z0-9_.:-]+"
LARGEST_TEXT = 256_000
LARGEST_SEED = 2**63 - 1
MOST_SHARDS = 10_000
MOST_AT_ONCE = 500


class Paths(Request):
    """Where things are in the repository, and which service of the compose file runs tests."""

    dockerfile = RelativePath(default=DEFAULT_PATHS["dockerfile"], max_length=500)
    compose = RelativePath(default=DEFAULT_PATHS["compose"], max_length=500)
    pre_script = RelativePath(default=DEFAULT_PATHS["pre_script"], max_length=500)
    service = Text(
        default=DEFAULT_PATHS["service"],
        max_length=100,
        pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
        hint="a service's name has letters, digits and _ . -, a letter or digit first",
    )


class SharedFields(Request):
    """What the Tasks of a suite run have in common. The first Task's values are kept; later
    Tasks must bring the same ones."""

    account = Identifier(
        max_length=100, pattern=ACCOUNT, hint="use letters, digits and _ . : @ / -"
    )
    suite_run_id = Identifier(max_length=100, pattern=ID, hint="use letters, digits and _ . : -")
    repository = Text(
        max_length=200, pattern=OWNER_AND_NAME, hint="give owner/name, as in acme/shop"
    )
    commit = Text(
        pattern=r"[0-9a-fA-F]{7,64}", hint="give a commit's hash: 7 to 64 hexadecimal digits"
    )
    branch = Branch(max_length=255)
    order_count = WholeNumber(min_value=1, max_value=MOST_SHARDS)
    seed = WholeNumber(min_value=0, max_value=LARGEST_SEED)
    project_name = ImageName(max_length=200)
    user_id = Identifier(default="", allow_blank=True, max_length=100)
    github_installation_id = Identifier(
        default="", allow_blank=True, max_length=100, pattern=r"[0-9]+", hint="use digits"
    )
    clone_url = CloneUrl(
        default="",
        max_length=1000,
        help_text="https://github.com/, the repository and .git where it is left out",
    )
    paths = Paths(default=DEFAULT_PATHS.copy)
    compose_text = Text(default=None, allow_null=True, max_length=LARGEST_TEXT)
    dockerfile_text = Text(default=None, allow_null=True, max_length=LARGEST_TEXT)

    def validate(self, found: dict[str, Any]) -> dict[str, Any]:
        found = super().validate(found)
        found["commit"] = found["commit"].lower()
        found["clone_url"] = found["clone_url"] or f"https://github.com/{found['repository']}.git"
        return found


class ShardFields(Request):
    """What each Task has of its own."""

    order_index = WholeNumber(min_value=1, max_value=MOST_SHARDS)
    test_files = TestFiles(default=None, allow_null=True)
    command = Text(default=None, allow_null=True, max_length=60_000)
    env_vars = EnvVars(
        default=dict, most=1000, child=Text(allow_blank=True, max_length=100_000), write_only=True
    )
    timeout_seconds = WholeNumber(default=3600, min_value=1, max_value=86_400)
    priority = WholeNumber(default=0, min_value=-100, max_value=100)
    labels = Labels(default=dict, most=64, child=Text(allow_blank=True, max_length=255))

    def validate(self, found: dict[str, Any]) -> dict[str, Any]:
        found = super().validate(found)
        if found["command"] is not None and found["test_files"] is not None:
            both = "Is given together with test_files, and either says what runs: leave one out."
            raise ValidationError({"command": both})
        return found


class NewTask(SharedFields, ShardFields):
    """One Task. The first one of a suite run decides where all of them run."""

    def validate(self, found: dict[str, Any]) -> dict[str, Any]:
        found = super().validate(found)
        if found["order_index"] > found["order_count"]:
            raise ValidationError({"order_index": _beyond(found["order_count"])})
        return found


class NewSuiteRun(SharedFields):
    """The Tasks of a suite run in one call: all of them are accepted, or none."""

    tasks = Items(child=ShardFields(), allow_empty=False, max_length=MOST_AT_ONCE)

    def validate(self, found: dict[str, Any]) -> dict[str, Any]:
        found = super().validate(found)
        seen: set[int] = set()
        wrong: dict[Any, Any] = {}
        for position, shard in enumerate(found["tasks"]):
            index = shard["order_index"]
            if index > found["order_count"]:
                wrong[position] = {"order_index": _beyond(found["order_count"])}
            elif index in seen:
                wrong[position] = {"order_index": f"{index} is given twice: number each Task once."}
            seen.add(index)
        if wrong:
            raise ValidationError({"tasks": wrong})
        return found


def _beyond(order_count: int) -> str:
    return f"Is larger than order_count ({order_count}): number the Tasks from 1 to it."


NEW_TASK = NewTask()
NEW_SUITE_RUN = NewSuiteRun()

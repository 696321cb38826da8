"""`environment` and `env_file`.

A file of the repository cannot be read when the plan is made. For the main service the agent reads
it from the checkout when the tests start, so it is exact. Any other service starts from its image's
own command, where nothing could read a file first: it gets what can be told beforehand, which is
the Task's variables. They are what `.env` beside the compose file stands for.
"""

import posixpath
import re
from typing import Any

from kube.planner.paths import BadPath, in_repository
from kube.planner.plan import EnvFile
from kube.planner.problems import quote
from kube.planner.reader import Reader
from kube.planner.template import Template

NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
LONGEST_NAME = 250
OURS = "SWITCHYARD_"
MOST = 1000
FORMATS = ("", "compose", "raw")
WRITE_THEM = "write its variables below `environment`, or use the Task's own by `env_file: .env`"


def read_environment(reader: Reader) -> dict[str, Template | None]:
    """None is the Task's variable of that name, where it has one."""
    found: dict[str, Template | None] = {}
    for name, value in reader.pairs("environment"):
        if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
            remedy = "use letters, digits and _ - . with no digit first"
            reader.problem("environment", f"{quote(name)} is no name for a variable", remedy)
        elif name.startswith(OURS):
            remedy = "use another name"
            reader.problem("environment", f"{quote(name)} is one of the agent's own", remedy)
        else:
            found[name] = None if value is None else _value(reader, name, value)
    if len(found) > MOST:
        reader.problem("environment", f"has {len(found)} variables", f"at most {MOST} are read")
    return found


def _value(reader: Reader, name: str, value: Any) -> Template:
    found = reader.template(f"environment.{name}", value)
    if found.fixed and "\0" in found.render({}):
        reader.problem(f"environment.{name}", "holds a NUL character", "take it out")
    return found


def read_env_files(reader: Reader, folder: str, *, is_main: bool) -> tuple[EnvFile, ...]:
    """In order: a later one wins. `folder` is the compose file's."""
    found = (_env_file(reader, folder, item) for item in reader.items("env_file"))
    files = tuple(file for file in found if file)
    for file in files:
        if not (is_main or file.task_variables):
            message = f"{quote(file.path)} would have to be read before this service starts"
            reader.problem("env_file", message, WRITE_THEM)
    return files


def _env_file(reader: Reader, folder: str, item: Any) -> EnvFile | None:
    entry = reader.entry("env_file", item if isinstance(item, dict) else {"path": item})
    text, form = entry.text("path"), entry.text("format")
    if form not in FORMATS:
        entry.problem("format", f"{quote(form)} is not known", "use `raw`, or leave it out")
    if not text:
        reader.problem("env_file", "has no path", "give one, as in ./test.env")
        return None
    try:
        path = in_repository(folder, text)
    except BadPath as error:
        reader.problem("env_file", str(error), error.remedy)
        return None
    required = entry.flag("required") if entry.has("required") else True
    return EnvFile(
        path=path,
        required=required,
        format=form or "compose",
        task_variables=path == task_file(folder),
    )


def task_file(folder: str) -> str:
    """The path that stands for the Task's variables."""
    return posixpath.join(folder, ".env")

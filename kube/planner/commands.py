"""`command` and `entrypoint`, as a list of words or as a line that is split into them."""

from kube.planner.plan import Command
from kube.planner.problems import quote
from kube.planner.reader import Reader
from kube.planner.template import Missing, Template
from kube.planner.values import BadCommand, split

IN_A_SHELL = "put it into a shell, as in [sh, -c, 'first && second']"


def read_command(reader: Reader, key: str) -> Command | None:
    """None where it is the image's own; no words where compose clears it."""
    value = reader.content.get(key)
    if value is None:
        return None
    if isinstance(value, list):
        words = tuple(reader.template(key, item) for item in reader.items(key))
        return Command(words=words)
    if isinstance(value, dict):
        reader.problem(key, "a mapping is no command", "give a list of words")
        return None
    return _read_line(reader, key, reader.template(key, value))


def _read_line(reader: Reader, key: str, line: Template) -> Command | None:
    try:
        words = split(line.render({}))
    except BadCommand as error:
        reader.problem(key, str(error), IN_A_SHELL)
        return None
    except Missing:
        # Only a Task can have it; without it, the Task is refused.
        words = []
    known = tuple(Template.literal(word) for word in words)
    return Command(words=known, line=None if line.fixed else line)


def check_words(reader: Reader, entrypoint: Command | None, command: Command | None) -> None:
    """A pod cannot say that an image's words are to be left out with nothing in their place."""
    if command and not command.words and not command.line and not _speaks(entrypoint):
        reader.problem("command", "is empty", "leave it out, or give the words to run")
    if entrypoint and not _speaks(entrypoint) and not _speaks(command):
        reader.problem("entrypoint", "is empty", "give a `command` with it, or leave it out")
    for key, found in (("entrypoint", entrypoint), ("command", command)):
        for word in found.words if found else ():
            if word.fixed and "\0" in word.render({}):
                reader.problem(key, f"{quote(word.render({}))} holds a NUL", "take it out")


def _speaks(command: Command | None) -> bool:
    return bool(command and (command.words or command.line))

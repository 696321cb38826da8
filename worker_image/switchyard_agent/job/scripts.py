"""The scripts that run in the container of the tests: for the shell of any image, whatever its
variables are. They name paths by that container's own variables and set none of its others.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..ruby_selection import SELECTION
from ..suite import EXECUTABLE, RESULTS

IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
BOX, OUT, CTL = '"$SWITCHYARD_BUSYBOX"', '"$SWITCHYARD_OUT_DIR"', '"$SWITCHYARD_CTL_DIR"'
RESULTS_FOLDER, ARTIFACTS_FOLDER = "results", "artifacts"
SELECTED, EVERY_FILE = "selected", "spec-files"
FIND = f"{BOX} find ./spec/ -name '.?*' -prune -o -name '*_spec.rb' -print0"
# What stands for the path of the results in a command that is written down here.
RESULTS_PLACE = "\0results"

IN_SHELL = f"""\
if [ -x /bin/sh ]; then
  in_shell() {{ run /bin/sh -c "$@"; }}
else
  in_shell() {{ run {BOX} sh -c "$@"; }}
fi
"""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """In what every command of the Task runs: the words before it, and variables."""

    entrypoint: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def plus(self, variables: Mapping[str, str]) -> Surroundings:
        return replace(self, variables={**self.variables, **variables})

    def prelude(self) -> str:
        """Defines `run` for a command's words, and `in_shell` for a shell's."""
        odd = [f"{name}={text}" for name, text in self.variables.items() if not fits(name)]
        before = [BOX, "env", *map(shlex.quote, odd)] if odd else []
        words = " ".join([*before, *map(shlex.quote, self.entrypoint), '"$@"'])
        return f"{_exports(self.variables)}run() {{ {words}; }}\n{IN_SHELL}"


def pre_script(surroundings: Surroundings, path: str) -> str:
    """Without the script there is nothing to do. The shell also runs one that names no
    interpreter."""
    place = shlex.quote(f"./{path}")
    return f"""\
if [ ! -f {place} ]; then exit 0; fi
[ -x {place} ] || {BOX} chmod +x {place}
{surroundings.prelude()}in_shell '"$0"' {place}
exit $?
"""


def look(order_index: int, order_count: int, seed: int, *, files: bool) -> str:
    """Says what there is to run tests with, a word a line, and which test files, where `files`
    are asked for: this shard's, chosen by Ruby where there is one, or else all of them."""
    return f"""\
if [ -f {EXECUTABLE} ] && [ -x {EXECUTABLE} ]; then echo executable; fi
if [ -f Gemfile ]; then echo gemfile; fi
if command -v bundle >/dev/null 2>&1; then echo bundle; fi
if command -v rspec >/dev/null 2>&1; then echo rspec; fi
{_listing(order_index, order_count, seed) if files else ""}exit 0
"""


def _listing(order_index: int, order_count: int, seed: int) -> str:
    """A Ruby that does not answer as it should is none. What it loads by itself is not wanted."""
    arguments = f"{order_count} {order_index} {seed}"
    ruby = f"RUBYOPT= RUBYLIB= ruby --disable-gems -e {shlex.quote(SELECTION)} {arguments}"
    return f"""\
if command -v ruby >/dev/null 2>&1 && {ruby} >{OUT}/.{SELECTED}; then
  {BOX} mv -f {OUT}/.{SELECTED} {OUT}/{SELECTED}
else
  {FIND} 2>/dev/null >{OUT}/.{EVERY_FILE}
  {BOX} mv -f {OUT}/.{EVERY_FILE} {OUT}/{EVERY_FILE}
fi
"""


def dry_run(surroundings: Surroundings, argv: Sequence[str]) -> str:
    return f"{surroundings.prelude()}run {_words(argv)}\nexit $?\n"


def tests(surroundings: Surroundings, argv: Sequence[str], *, list_file: bool) -> str:
    """Leaves results and screenshots where the agent finds them. What came with the repository is
    no result of this run."""
    listed = _assign("SWITCHYARD_TEST_FILES_FILE", f"{CTL}/test-files") if list_file else ""
    results = f"{OUT}/{RESULTS_FOLDER}/rspec.json"
    return f"""\
{BOX} mkdir -p {OUT}/{RESULTS_FOLDER} {OUT}/{ARTIFACTS_FOLDER} tmp 2>/dev/null
{BOX} rm -f {RESULTS} 2>/dev/null
{_assign("SWITCHYARD_RESULTS", results)}{listed}{surroundings.prelude()}{_command(argv)}
sy_code=$?
if [ ! -s {results} ] && [ -f {RESULTS} ]; then {BOX} cp {RESULTS} {results}; fi
for sy_file in tmp/capybara/*.png; do
  if [ -f "$sy_file" ]; then {BOX} cp "$sy_file" {OUT}/{ARTIFACTS_FOLDER}/; fi
done
{BOX} chmod -R a+rX {OUT}/{RESULTS_FOLDER} {OUT}/{ARTIFACTS_FOLDER} 2>/dev/null
exit "$sy_code"
"""


def _command(argv: Sequence[str]) -> str:
    """A shell is asked for by its name, which an image need not have."""
    if tuple(argv[:2]) == ("/bin/sh", "-c"):
        return f"in_shell {_words(argv[2:])}"
    return f"run {_words(argv)}"


def _words(argv: Sequence[str]) -> str:
    place = '"$SWITCHYARD_RESULTS"'
    return " ".join(place if word == RESULTS_PLACE else shlex.quote(word) for word in argv)


def _assign(name: str, place: str) -> str:
    return f"{name}={place}\nexport {name}\n"


def _exports(variables: Mapping[str, str]) -> str:
    fitting = {name: text for name, text in variables.items() if fits(name)}
    return "".join(f"export {name}={shlex.quote(text)}\n" for name, text in fitting.items())


def fits(name: str) -> bool:
    """A name that the shell can export."""
    return IDENTIFIER.fullmatch(name) is not None

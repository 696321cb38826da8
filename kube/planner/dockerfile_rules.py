"""What a Dockerfile may not hold: what Kaniko gets wrong without failing, so that a build would end
well with another image than Docker's.

Seen with Kaniko 1.28.3: a wrong `ADD --checksum` passes; `COPY --exclude` and `--parents` do
nothing; variables in `COPY <<EOF` stay as they are; `RUN --network`, `--security` and mounts of
type tmpfs, ssh and of other stages are a warning only. `ADD` of a git repository downloads its URL.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kube.planner.building import PLATFORM
from kube.planner.dockerfile import BadDockerfile, Instruction, parse, words_of
from kube.planner.plan import Build
from kube.planner.problems import Findings, quote

LONGEST = 256_000
MOST_INSTRUCTIONS = 5_000
VARIABLE = re.compile(r"\$[A-Za-z_{]")
GIT = re.compile(r"(?:git|ssh)://|git@|https?://[^\s#]+\.git(?:#|$)", re.IGNORECASE)
# The agent of the droplets hands it to every build; this builder is given none.
TOKEN = "GITHUB_TOKEN"
NOT_DONE = "the builder does not do it, and does not say so"

# Flags that change nothing for the worse.
FINE: dict[str, frozenset[str]] = {
    "ADD": frozenset(("chmod", "chown", "link")),
    "COPY": frozenset(("chmod", "chown", "from", "link")),
    "FROM": frozenset(("platform",)),
    "HEALTHCHECK": frozenset(("interval", "retries", "start-interval", "start-period", "timeout")),
    "RUN": frozenset(("mount",)),
}
REMEDIES = {
    ("ADD", "checksum"): "check it in a RUN, as in `echo SUM FILE | sha256sum -c`",
    ("ADD", "exclude"): "put the paths into .dockerignore",
    ("ADD", "keep-git-dir"): "clone it in a RUN",
    ("ADD", "unpack"): "unpack it in a RUN",
    ("COPY", "exclude"): "put the paths into .dockerignore",
    ("COPY", "parents"): "copy each folder to its own place",
}
MOUNT_REMEDIES = {
    "secret": "give the value as an ARG below `build.args`",
    "ssh": "fetch by https, with a token below `build.args`",
    "tmpfs": "use a folder and remove it in the same RUN",
}


@dataclass(frozen=True, kw_only=True)
class _Checker:
    findings: Findings
    service: str

    def problem(self, line: int, what: str, message: str, remedy: str) -> None:
        key = f"Dockerfile line {line}" + (f", {what}" if what else "")
        self.findings.problem(self.service, key, message, remedy)

    def check(self, instructions: Sequence[Instruction], build: Build) -> None:
        for found in instructions:
            self._flags(found)
            if rule := RULES.get(found.keyword):
                rule(self, found)
        self._stages(instructions, build.target)
        self._token(instructions, build)

    def _flags(self, found: Instruction) -> None:
        fine = FINE.get(found.keyword, frozenset())
        for flag in found.flags:
            name = flag.removeprefix("--").partition("=")[0].lower()
            if name not in fine:
                remedy = REMEDIES.get((found.keyword, name), "take it out")
                self.problem(found.line, f"{found.keyword} --{name[:40]}", NOT_DONE, remedy)

    def add(self, found: Instruction) -> None:
        self.here_documents(found)
        for source in words_of(found.text)[:-1]:
            if GIT.match(source.strip("'\"")):
                message = f"the repository {quote(source)} is not cloned"
                self.problem(found.line, "ADD", message, "clone it in a RUN")

    def here_documents(self, found: Instruction) -> None:
        for document in found.here_documents:
            if document.expands and VARIABLE.search(document.body):
                message = "variables in its here-document are not replaced"
                remedy = "quote its delimiter if they should stay, or write the file in a RUN"
                self.problem(found.line, f"{found.keyword} <<", message, remedy)

    def run(self, found: Instruction) -> None:
        for flag in found.flags:
            name, _, value = flag.partition("=")
            if name.lower() == "--mount":
                self._mount(found.line, value)

    def _mount(self, line: int, text: str) -> None:
        pairs = (option.partition("=") for option in text.split(","))
        options = {name.strip().strip('"').lower(): value.strip('"') for name, _, value in pairs}
        kind = options.get("type", "bind").lower()
        if kind == "bind" and "from" in options:
            remedy = "use COPY --from"
            self.problem(line, "RUN --mount=type=bind,from=", NOT_DONE, remedy)
        elif kind not in ("bind", "cache"):
            remedy = MOUNT_REMEDIES.get(kind, "use type=bind or type=cache")
            self.problem(line, f"RUN --mount=type={kind[:40]}", NOT_DONE, remedy)

    def base(self, found: Instruction) -> None:
        for flag in found.flags:
            name, _, value = flag.partition("=")
            if name == "--platform" and "$" not in value and value != PLATFORM:
                message = f"{quote(value)} is not what the nodes are"
                remedy = f"use {PLATFORM}, or leave it out"
                self.problem(found.line, "FROM --platform", message, remedy)
        words = words_of(found.text)
        if len(words) != 1 and not (len(words) == 3 and words[1].upper() == "AS"):
            message = f"{quote(found.text)} is no base image"
            self.problem(found.line, "FROM", message, "write FROM image, or FROM image AS name")

    def _stages(self, instructions: Sequence[Instruction], target: str) -> None:
        stages = [found for found in instructions if found.keyword == "FROM"]
        before = [found.keyword for found in instructions[: instructions.index(stages[0])]]
        if any(keyword != "ARG" for keyword in before):
            remedy = "begin with FROM; only ARG may stand before it"
            self.problem(instructions[0].line, before[0], "no image to do it in yet", remedy)
        names = {str(index) for index in range(len(stages))}
        names |= {words_of(stage.text)[-1].lower() for stage in stages if stage.text}
        if target and target.lower() not in names:
            message = f"the Dockerfile has no stage {quote(target)}"
            self.findings.problem(self.service, "build.target", message, "name one of its stages")

    def _token(self, instructions: Sequence[Instruction], build: Build) -> None:
        for found in instructions:
            names = {word.partition("=")[0] for word in words_of(found.text)}
            if found.keyword == "ARG" and TOKEN in names and TOKEN not in build.args:
                message = "the builder is given no GitHub token"
                remedy = f"give it a value below `build.args`, as in `{TOKEN}: ${{{TOKEN}}}`"
                self.problem(found.line, f"ARG {TOKEN}", message, remedy)


RULES: dict[str, Callable[[_Checker, Instruction], None]] = {
    "ADD": _Checker.add,
    "COPY": _Checker.here_documents,
    "FROM": _Checker.base,
    "RUN": _Checker.run,
}


def check_dockerfile(findings: Findings, service: str, text: str, build: Build) -> None:
    """Tells of each line that would be built wrongly, or not at all."""
    checker = _Checker(findings=findings, service=service)
    if len(text) > LONGEST:
        message = f"has {len(text)} characters"
        findings.problem(service, "Dockerfile", message, f"at most {LONGEST} are read")
        return
    try:
        instructions = parse(text)
    except BadDockerfile as error:
        checker.problem(error.line, "", str(error), "mend the line")
        return
    if not _has_base(instructions):
        message = "has no FROM"
        findings.problem(service, "Dockerfile", message, "begin it with FROM and a base image")
        return
    if len(instructions) > MOST_INSTRUCTIONS:
        message = f"has {len(instructions)} instructions"
        findings.problem(service, "Dockerfile", message, f"use at most {MOST_INSTRUCTIONS}")
        return
    checker.check(instructions, build)


def _has_base(instructions: Sequence[Instruction]) -> bool:
    return any(found.keyword == "FROM" for found in instructions)

"""`build`: what of the repository the image is built from."""

import re

from kube.planner.environment import NAME
from kube.planner.keys import BUILD, check
from kube.planner.paths import BadPath, in_repository
from kube.planner.plan import Build
from kube.planner.problems import quote
from kube.planner.reader import Reader
from kube.planner.template import Template

REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/", re.IGNORECASE)
TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
PLATFORM = "linux/amd64"
DEFAULT_DOCKERFILE = "Dockerfile"


def read_build(reader: Reader, folder: str, dockerfile: str) -> Build:
    """`folder` is the compose file's, `dockerfile` the path whose text was sent."""
    if isinstance(reader.content.get("build"), str):
        content = {"context": reader.content["build"]}
        build = reader.entry("build", content)
    else:
        build = reader.below("build")
        check(build, BUILD)
    context = _context(build, folder)
    _check_platforms(build)
    path = _dockerfile(build, context, dockerfile)
    return Build(context=context, dockerfile=path, target=_target(build), args=_arguments(build))


def _context(build: Reader, folder: str) -> str:
    text = build.text("context") or "."
    if REMOTE.match(text):
        message = f"{quote(text)} is not in the repository"
        build.problem("context", message, "give a folder of it, as in `..`")
        return ""
    try:
        return in_repository(folder, text)
    except BadPath as error:
        build.problem("context", str(error), error.remedy)
        return ""


def _dockerfile(build: Reader, context: str, sent: str) -> str:
    """Its path. The file that compose names must be the one whose text is known."""
    text = build.text("dockerfile") or DEFAULT_DOCKERFILE
    try:
        path = in_repository(context, text)
        known = in_repository("", sent)
    except BadPath as error:
        build.problem("dockerfile", str(error), error.remedy)
        return ""
    if path != known:
        message = f"this is {quote(path)}, but the Dockerfile that was sent is {quote(known)}"
        build.problem("dockerfile", message, "name the same file in both places")
    return path


def _check_platforms(build: Reader) -> None:
    for platform in build.texts("platforms"):
        if platform != PLATFORM:
            message = f"{quote(platform)} is not what the nodes are"
            build.problem("platforms", message, f"use {PLATFORM}, or leave it out")


def _target(build: Reader) -> str:
    target = build.text("target")
    if target and not TARGET.fullmatch(target):
        build.problem("target", f"{quote(target)} is no name of a stage", "name a stage")
        return ""
    return target


def _arguments(build: Reader) -> dict[str, Template | None]:
    found: dict[str, Template | None] = {}
    for name, value in build.pairs("args"):
        if not NAME.fullmatch(name):
            remedy = "use letters, digits and _ with no digit first"
            build.problem("args", f"{quote(name)} is no name for an argument", remedy)
            continue
        found[name] = None if value is None else build.template(f"args.{name}", value)
    return found

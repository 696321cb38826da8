"""The Task's variables in the pod: whatever one of them could be part of lies in a Secret, and the
Job names it only.

Kubernetes replaces `$(NAME)` in commands, arguments and environment values, and reads `$$` as `$`:
what a compose file has of these is written so that it comes out unchanged.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kube.planner.plan import Command, Plan
from kube.planner.problems import Problem
from kube.planner.template import Missing, Template, Variable
from kube.planner.values import BadCommand, split

Json = dict[str, Any]
EXPANDS = re.compile(r"\$(?=[$(])")
VALUE = "SWITCHYARD_VALUE_"
# A Secret holds a megabyte, and the variables themselves are in it too.
MOST_BYTES = 400_000


class TaskRefused(Exception):
    """The plan does not go with this Task's variables. The problems say why."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def escape(text: str) -> str:
    return EXPANDS.sub("$$", text)


def check_uses(plan: Plan, variables: Mapping[str, str]) -> None:
    """Raises TaskRefused where a variable would shape the pod: everybody could read it there."""
    problems = [
        Problem(
            service=use.service,
            key=use.key,
            message=f"the Task sets the variable {use.variable}, and a secret may not stand here",
            remedy="write the value itself into the compose file, or rename the variable",
        )
        for use in plan.uses
        if use.variable in variables
    ]
    if problems:
        raise TaskRefused(*problems)


@dataclass(kw_only=True)
class SecretValues:
    """Renders texts for one Task. `texts` fills with what must lie in the Secret, by its key."""

    variables: Mapping[str, str]
    secret: str
    texts: dict[str, str] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _bytes: int = 0

    def container(self, service: str) -> "ContainerValues":
        return ContainerValues(all=self, service=service)

    def keep(self, text: str) -> str:
        """Its key in the Secret. Raises TaskRefused where that would be too large."""
        key = self._keys.get(text)
        if key is None:
            key = self._keys[text] = f"value-{len(self._keys) + 1}"
            self.texts[key] = text
            self._bytes += len(text.encode())
            self._bound()
        return key

    def source(self, text: str) -> Json:
        """A reference to the text in the Secret."""
        return {"secretKeyRef": {"name": self.secret, "key": self.keep(text)}}

    def _bound(self) -> None:
        if self._bytes > MOST_BYTES:
            message = f"what the Task's variables are put into has more than {MOST_BYTES} bytes"
            remedy = "use them in fewer places, or make them shorter"
            problem = Problem(service="", key="environment", message=message, remedy=remedy)
            raise TaskRefused(problem)


@dataclass(kw_only=True)
class ContainerValues:
    """The texts of one container. `env` fills with what they refer to, in the order of use."""

    all: SecretValues
    service: str
    env: list[Json] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)

    def variables(self, environment: Mapping[str, Template | None]) -> Iterator[Json]:
        """The container's own environment."""
        for name, template in environment.items():
            if template is None and name not in self.all.variables:
                continue
            wanted = Template((Variable(name),)) if template is None else template
            text = self.rendered(f"environment.{name}", wanted)
            if wanted.depends_on(self.all.variables):
                yield {"name": name, "valueFrom": self.all.source(text)}
            else:
                yield {"name": name, "value": escape(text)}

    def text(self, key: str, template: Template) -> str:
        """For a command or an argument."""
        text = self.rendered(key, template)
        return self._refer(text) if template.depends_on(self.all.variables) else escape(text)

    def words(self, key: str, command: Command) -> list[str]:
        if command.line is None or not command.line.depends_on(self.all.variables):
            self.rendered(key, command.line or Template())
            return [self.text(key, word) for word in command.words]
        try:
            return [self._refer(word) for word in split(self.rendered(key, command.line))]
        except BadCommand as error:
            remedy = "give it as a list of words"
            raise TaskRefused(self._problem(key, str(error), remedy)) from None

    def shell(self, key: str, template: Template) -> str:
        """A line for /bin/sh in a place where Kubernetes replaces nothing."""
        text = self.rendered(key, template)
        if not template.depends_on(self.all.variables):
            return text
        return f'eval "${self._name_of(text)}"'

    def _refer(self, text: str) -> str:
        return f"$({self._name_of(text)})"

    def _name_of(self, text: str) -> str:
        name = self._names.get(text)
        if name is None:
            name = self._names[text] = f"{VALUE}{len(self._names) + 1}"
            self.env.append({"name": name, "valueFrom": self.all.source(text)})
        return name

    def rendered(self, key: str, template: Template) -> str:
        """As it is for this Task, which may be secret. Raises TaskRefused."""
        try:
            return template.render(self.all.variables)
        except Missing as error:
            remedy = "set it among the Task's variables, or give it a default"
            raise TaskRefused(self._problem(key, str(error), remedy)) from None

    def _problem(self, key: str, message: str, remedy: str) -> Problem:
        return Problem(service=self.service, key=key, message=message, remedy=remedy)

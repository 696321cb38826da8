"""Takes values out of one mapping of the compose file; what is wrong with one is told, and a
harmless value taken in its place, so that all problems are found at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kube.planner import values
from kube.planner.plan import Use
from kube.planner.problems import Findings, quote
from kube.planner.template import BadTemplate, Missing, Template, rendered

Found = TypeVar("Found")
NOTHING: tuple[Any, ...] = (None, "", False, [], {})
MOST_ITEMS = 500


@dataclass(frozen=True, kw_only=True)
class Reader:
    """`path` is where the mapping lies in its service, as in `build.`.

    Text that shapes the pod is rendered here, without a Task's variables; `uses` keeps which ones
    it names.
    """

    findings: Findings
    service: str
    content: Mapping[str, Any]
    path: str = ""
    uses: dict[Use, None] = field(default_factory=dict)

    def problem(self, key: str, message: str, remedy: str) -> None:
        self.findings.problem(self.service, self.path + key, message, remedy)

    def note(self, key: str, message: str) -> None:
        self.findings.note(self.service, self.path + key, message)

    def has(self, key: str) -> bool:
        """Whether it is given at all, be it empty."""
        return self.content.get(key) is not None

    def says(self, key: str) -> bool:
        """Whether it is given, and not as nothing or no."""
        value = self.content.get(key)
        if isinstance(value, str):
            return values.switch(self.resolve(key, value) or "no") is not False
        return not any(value is nothing or value == nothing for nothing in NOTHING)

    def resolve(self, key: str, text: str) -> str:
        """The text with every variable unset."""

        def on_unset(name: str) -> None:
            self.note(key, f"the variable {name} is not set and has no default: it is empty")

        try:
            found, names = rendered(text, {}, on_unset)
        except BadTemplate as error:
            self.problem(key, str(error), "write ${NAME}, or $$ for a dollar sign")
            return ""
        except Missing as error:
            default = f"give it a default, as in ${{{error.name}:-value}}"
            self.problem(key, str(error), default)
            return ""
        for name in names:
            self.uses[Use(service=self.service, key=self.path + key, variable=name)] = None
        return found

    def pin(self, key: str, template: Template) -> None:
        """Take a template's variables to be unset: a Task that sets one cannot have the plan."""
        for name in template.names():
            self.uses[Use(service=self.service, key=self.path + key, variable=name)] = None

    def template(self, key: str, value: Any) -> Template:
        """A scalar whose variables are the Task's."""
        if not isinstance(value, str):
            text = values.as_text(value)
            if text is None:
                self._wrong(key, value, "a string")
            return Template.literal(text or "")
        try:
            return Template.parse(value)
        except BadTemplate as error:
            self.problem(key, str(error), "write ${NAME}, or $$ for a dollar sign")
            return Template()

    def text(self, key: str, what: str = "a string") -> str:
        """ "" where it is not given."""
        value = self.content.get(key)
        return "" if value is None else self.scalar(key, value, what) or ""

    def scalar(self, key: str, value: Any, what: str = "a string") -> str | None:
        """A value rendered; None where it is none that has a text."""
        text = values.as_text(value)
        if text is None:
            self._wrong(key, value, what)
            return None
        text = self.resolve(key, text)
        if any(not char.isprintable() for char in text):
            self.problem(key, f"{quote(text)} holds a control character", "take it out")
            return ""
        return text

    def flag(self, key: str) -> bool:
        return bool(self._read(key, values.switch, "true or false"))

    def whole(self, key: str) -> int | None:
        return self._read(key, values.whole, "a whole number, as in 3")

    def number(self, key: str) -> float | None:
        return self._read(key, values.number, "a number, as in 1.5")

    def seconds(self, key: str) -> float | None:
        return self._read(key, values.seconds, "a duration with its unit, as in 30s")

    def size(self, key: str) -> int | None:
        return self._read(key, values.size, "a size, as in 512m")

    def _read(self, key: str, parse: Callable[[str], Found | None], what: str) -> Found | None:
        text = self.text(key, what)
        found = parse(text) if text else None
        if text and found is None:
            self.problem(key, f"{quote(text)} is not what is read here", f"give {what}")
        return found

    def below(self, key: str) -> "Reader":
        """The mapping that lies there; an empty one where there is none."""
        value = self.content.get(key)
        if value is not None and not isinstance(value, dict):
            self._wrong(key, value, "a mapping")
        content = value if isinstance(value, dict) else {}
        return replace(self, content=content, path=f"{self.path}{key}.")

    def items(self, key: str) -> list[Any]:
        """A list; a value that stands alone is a list of one."""
        value = self.content.get(key)
        if value is None:
            return []
        if isinstance(value, dict):
            self._wrong(key, value, "a list")
            return []
        found = value if isinstance(value, list) else [value]
        if len(found) > MOST_ITEMS:
            self.problem(key, f"has {len(found)} entries", f"at most {MOST_ITEMS} are read")
            return []
        return found

    def texts(self, key: str) -> list[str]:
        """A list of strings, rendered; a string that stands alone is a list of one."""
        found = (self.scalar(key, item, "strings") for item in self.items(key))
        return [text for text in found if text is not None]

    def entry(self, key: str, item: dict[str, Any]) -> "Reader":
        """A mapping that is an entry of the list there."""
        return replace(self, content=item, path=f"{self.path}{key}.")

    def pairs(self, key: str) -> Iterator[tuple[str, Any]]:
        """Names and values of a mapping, or of a list of `NAME=value`; None where a name stands
        alone. Values are not rendered."""
        value = self.content.get(key)
        if isinstance(value, dict):
            yield from value.items()
            return
        for item in self.items(key):
            if isinstance(item, str):
                name, equals, rest = item.partition("=")
                yield self.resolve(key, name), rest if equals else None
            else:
                self._wrong(key, item, "NAME=value")

    def _wrong(self, key: str, value: Any, what: str) -> None:
        if value is None:
            shown = "nothing"
        elif isinstance(value, dict | list):
            shown = "a mapping" if isinstance(value, dict) else "a list"
        else:
            shown = quote(value)
        self.problem(key, f"{shown} is not what is read here", f"give {what}")

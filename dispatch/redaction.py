"""Takes secrets out of what agents report, before it is stored.

By value: the Task's environment variables and whatever else the caller names, raw, as JSON, in
Base64 (wherever it stands in a longer text) and URL-encoded; several lines line by line.
By form: GitHub's tokens, and what stands where tools print credentials.
"""

import base64
import json
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

from cryptography.fernet import InvalidToken

from dispatch import encryption, junit
from dispatch.models import Assignment, TaskSecret

logger = logging.getLogger(__name__)

MASK = b"[REDACTED]"
FORGOTTEN = b"[withheld: the secrets that must not be shown are deleted with their Task]\n"
WITHHELD = b"[withheld: no configured encryption key fits the secrets that must not be shown]\n"
SHORTEST_SECRET = 4
SHORTEST_ENCODED = 6
# Ruby, PEM and base64(1) break Base64 into lines of so many characters.
WRAPPED_AT = (60, 64, 76)
SHORTEST_WRAPPED = 16
# A longer one is looked for in pieces, so that it is known how far one can reach.
LONGEST_FORM = 4096
LONGEST_CREDENTIAL = 1024
# Looking for one after the other is quicker than once through all of the text up to here.
MOST_LOOKED_FOR = 500

# Each with a text without which it cannot match, which is much quicker to look for. A group
# named `secret` is what goes; without one all of it does.
PATTERNS: tuple[tuple[bytes, re.Pattern[bytes]], ...] = (
    (b"gh", re.compile(rb"(?<![A-Za-z0-9])gh[opsur]_[A-Za-z0-9_.-]{16,}")),
    (b"github_pat_", re.compile(rb"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{16,}")),
    (b"v1.", re.compile(rb"(?<![A-Za-z0-9])v1\.[0-9a-f]{40}(?![0-9a-f])")),
    (b"x-access-token:", re.compile(rb"x-access-token:(?P<secret>[^@\s'\"]+)")),
    (b"GitHub token:", re.compile(rb"GitHub token:[ \t]*(?P<secret>[^\s'\"]+)")),
    (b"GITHUB_TOKEN=", re.compile(rb"GITHUB_TOKEN=(?P<secret>[^\s'\"]+)")),
    (b"BUNDLE_", re.compile(rb"\bBUNDLE_[A-Z0-9_]+__[A-Z0-9_]+=['\"]?(?P<secret>[^\s'\"]+)")),
)


class Redactor:
    """Values shorter than 4 characters are left alone: they would blot out half of every log
    and hide nothing."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        secrets = list(secrets)
        lines = {line.strip() for secret in secrets for line in secret.splitlines()}
        found = {piece for line in lines for form in _forms(line) for piece in _pieces(form)}
        found.update(line for secret in secrets for line in _wrapped_base64(secret))
        self._forms = sorted(found, key=len, reverse=True)
        self._starts: dict[bytes, list[bytes]] = {}
        for form in self._forms:
            self._starts.setdefault(form[:SHORTEST_SECRET], []).append(form)

    def clean(self, data: bytes) -> bytes:
        """Work on whole lines: a secret of which only the beginning is there is not seen."""
        return _masked(data, [*self._values(data), *_credentials(data)])

    def clean_text(self, text: str) -> str:
        return self.clean(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def clean_line_end(self, data: bytes) -> bytes:
        """For text that was cut off in the middle of a line, whose rest never comes: what may be
        the beginning of a secret goes as well."""
        spans = [*self._values(data), *_credentials(data), *self._unfinished(data)]
        return _masked(data, spans)

    def safe_cut(self, data: bytes) -> int:
        """Up to where `data`, without the end of its line, can be cleaned although more of it
        follows: no secret begins before this place and ends after it."""
        longest = max([LONGEST_CREDENTIAL, *(len(form) for form in self._forms[:1])])
        cut = max(0, len(data) - longest)
        for start, stop in _joined([*self._values(data), *_credentials(data, whole=True)]):
            if start < cut < stop:
                return start
        return cut

    def _unfinished(self, data: bytes) -> Iterator[tuple[int, int]]:
        """What at the end of `data` begins like a secret."""
        for form in self._forms:
            at = data.find(form[:SHORTEST_SECRET], max(0, len(data) - len(form) + 1))
            while at >= 0 and not form.startswith(data[at:]):
                at = data.find(form[:SHORTEST_SECRET], at + 1)
            if at >= 0:
                yield at, len(data)

    def _values(self, data: bytes) -> Iterator[tuple[int, int]]:
        if len(self._forms) > MOST_LOOKED_FOR:
            yield from self._values_by_start(data)
            return
        for form in self._forms:
            at = data.find(form)
            while at >= 0:
                yield at, at + len(form)
                at = data.find(form, at + 1)

    def _values_by_start(self, data: bytes) -> Iterator[tuple[int, int]]:
        """The same for any number of forms: once through the data, however many there are."""
        for at in range(len(data) - SHORTEST_SECRET + 1):
            for form in self._starts.get(data[at : at + SHORTEST_SECRET], ()):
                if data.startswith(form, at):
                    yield at, at + len(form)


class Withholding(Redactor):
    """Lets nothing through: what the secrets are is not known any more."""

    def __init__(self, why: bytes) -> None:
        super().__init__()
        self._why = why

    def clean(self, data: bytes) -> bytes:
        return self._why if data else data

    def clean_line_end(self, data: bytes) -> bytes:
        return self.clean(data)


def _credentials(data: bytes, *, whole: bool = False) -> Iterator[tuple[int, int]]:
    """Where they are; `whole`: with what they are told by."""
    for needed, pattern in PATTERNS:
        if needed in data:
            group = "secret" if "secret" in pattern.groupindex and not whole else 0
            yield from (match.span(group) for match in pattern.finditer(data))


def _masked(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Secrets may overlap: what they cover together is one mask."""
    pieces, end = [], 0
    for start, stop in _joined(spans):
        pieces += [data[end:start], MASK]
        end = stop
    return b"".join([*pieces, data[end:]]) if pieces else data


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, those that overlap made one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], stop)
        else:
            joined.append((start, stop))
    return joined


def _pieces(form: bytes) -> Iterator[bytes]:
    """Which cover the whole of it; the last one overlaps, so that none is short."""
    for at in range(0, max(1, len(form) - LONGEST_FORM), LONGEST_FORM):
        yield form[at : at + LONGEST_FORM]
    if len(form) > LONGEST_FORM:
        yield form[-LONGEST_FORM:]


def _forms(secret: str) -> set[bytes]:
    if len(secret) < SHORTEST_SECRET:
        return set()
    raw = secret.encode("utf-8", "surrogateescape")
    quoted = quote(raw, safe="").encode()
    lower = re.sub(rb"%..", lambda match: match[0].lower(), quoted)
    as_url = {quoted, lower, quoted.replace(b"%20", b"+")}
    as_json = {json.dumps(secret)[1:-1].encode(), _json_of_ruby(secret)}
    return {raw, *as_url, *as_json, *_base64_forms(raw)}


def _json_of_ruby(secret: str) -> bytes:
    return json.dumps(secret, ensure_ascii=False)[1:-1].encode("utf-8", "surrogateescape")


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """For each of the three alignments the characters that depend on the secret alone."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).rstrip(b"=")
        first = (0, 2, 3)[before]
        last = len(encoded) - (1 if (before + len(raw)) % 3 else 0)
        form = encoded[first:last]
        if len(form) >= SHORTEST_ENCODED:
            yield form
            yield form.translate(bytes.maketrans(b"+/", b"-_"))


def _wrapped_base64(secret: str) -> Iterator[bytes]:
    """The lines that programs make of it, each of which is too short for the forms above."""
    raw = secret.encode("utf-8", "surrogateescape")
    encoded = base64.b64encode(raw)[: len(raw) // 3 * 4]
    for width in WRAPPED_AT if len(encoded) > min(WRAPPED_AT) else ():
        lines = (encoded[at : at + width] for at in range(0, len(encoded), width))
        yield from (line for line in lines if len(line) >= SHORTEST_WRAPPED)


def clean_results(redactor: Redactor, data: bytes) -> bytes:
    """A results file whose messages are free of secrets. Names and counts stay as they are: a
    variable of the value "test" must not make it unreadable."""
    if junit.is_xml(data):
        return _clean_xml(redactor, data)
    if redactor.clean(data) == data:
        return data
    try:
        document = json.loads(data.decode("utf-8", "replace"))
        return json.dumps(_cleaned(document, redactor)).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return redactor.clean(data)


def _clean_xml(redactor: Redactor, data: bytes) -> bytes:
    try:
        return junit.cleaned(data, redactor.clean_text)
    except (ValueError, RecursionError):
        return redactor.clean(data)


TOLD_BY_THE_TESTS = ("message", "messages", "backtrace", "pending_message")


def _cleaned(value: Any, redactor: Redactor, told: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            key: _cleaned(item, redactor, told or key in TOLD_BY_THE_TESTS)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_cleaned(item, redactor, told) for item in value]
    return redactor.clean_text(value) if told and isinstance(value, str) else value


_LARGEST_CACHE = 200
_redactors: dict[tuple[UUID, tuple[str, ...]], Redactor] = {}


def redactor_for(task_id: UUID, *more: str) -> Redactor:
    """For the logs of one Task: its environment variables and whatever `more` is secret here.

    Kept in memory for the next chunk, so that not each one costs a decryption.
    """
    key = (task_id, more)
    if key not in _redactors:
        redactor = _make(task_id, more)
        while len(_redactors) >= _LARGEST_CACHE:
            _redactors.pop(next(iter(_redactors)), None)
        _redactors[key] = redactor
    return _redactors[key]


def _make(task_id: UUID, more: tuple[str, ...]) -> Redactor:
    secret = TaskSecret.objects.filter(pk=task_id).first()
    try:
        values = encryption.decrypt_mapping(secret.ciphertext).values() if secret else ()
    except InvalidToken:
        logger.error("No encryption key fits the secrets of a Task", extra={"task": str(task_id)})
        return Withholding(WITHHELD)
    return Redactor([*map(str, values), *more])


def are_forgotten(assignment_id: UUID) -> bool:
    """Whether the secrets may be deleted that must not be shown in what an Assignment reports. To
    be asked after `redactor_for`: up to the release it has read them all."""
    rows = Assignment.objects.filter(pk=assignment_id, released_at__isnull=False)
    return rows.filter(task__secret=None).exists()

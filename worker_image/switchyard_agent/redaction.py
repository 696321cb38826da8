"""Takes secrets out of bytes: as they are, in Base64 and URL-encoded."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = b"[REDACTED]"
# Shorter values ("true", "test", a port) would blot out half of every log and hide nothing.
SHORTEST_SECRET = 5


class Redactor:
    """`clean` works on whole lines; a secret of several lines is taken out line by line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[bytes] = set()
        self._pattern: re.Pattern[bytes] | None = None
        self.longest = 0
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        lines = (line.strip() for secret in secrets for line in secret.splitlines())
        self._forms |= {form for line in set(lines) for form in _forms(line)}
        self.longest = max(map(len, self._forms), default=0)
        if self._forms:
            # The longest first: where one secret begins like another, all of it goes.
            ordered = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile(b"|".join(map(re.escape, ordered)))

    def clean(self, data: bytes) -> bytes:
        return self._pattern.sub(MASK, data) if self._pattern else data

    def clean_text(self, text: str) -> str:
        return self.clean(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")

    def safe_cut(self, data: bytes) -> int:
        """Up to where `data` can be cleaned although more may follow: no secret that begins
        before this place can end after what is there."""
        cut = max(0, len(data) - max(0, self.longest - 1))
        for match in self._pattern.finditer(data) if self._pattern else ():
            if match.start() < cut < match.end():
                return match.start()
        return cut


def _forms(secret: str) -> set[bytes]:
    if len(secret) < SHORTEST_SECRET:
        return set()
    raw = secret.encode("utf-8", "surrogateescape")
    quoted = quote(raw, safe="").encode()
    forms = {raw, quoted, quoted.replace(b"%20", b"+"), re.sub(rb"%..", _lower, quoted)}
    return forms | _base64_forms(raw)


def _lower(match: re.Match[bytes]) -> bytes:
    return match[0].lower()


def _base64_forms(raw: bytes) -> set[bytes]:
    """What Base64 makes of it wherever it stands in a longer text: for each of the three
    alignments the characters that depend on the secret alone."""
    forms = set()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).rstrip(b"=")
        first = (0, 2, 3)[before]
        last = len(encoded) - (1 if (before + len(raw)) % 3 else 0)
        forms.add(encoded[first:last])
    forms.add(base64.b64encode(raw).rstrip(b"="))
    return {
        variant
        for form in forms
        if len(form) >= SHORTEST_SECRET
        for variant in (form, form.translate(bytes.maketrans(b"+/", b"-_")))
    }

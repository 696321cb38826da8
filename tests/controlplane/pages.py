"""Reading a page as a person does: its text, without tags and runs of white space."""

import html
import re
from typing import Any


def text_of(response: Any) -> str:
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def to_the_minute(text: str) -> str:
    """Without the seconds of longer times: a test may take some."""
    return re.sub(r"(\d+) min \d\d s", r"\1 min", text)

"""Reading a page as a person does: its text, without tags and runs of white space."""

import html
import re
from typing import Any


def text_of(response: Any) -> str:
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())

"""Derived tokens (promise 15): HMAC over kind and id under a rotating key.

Nothing is stored: the same token comes out whenever the same key is used. The token carries
its key's id, `settings.TOKEN_KEYS` maps key ids to secrets, and the first one signs.
"""

import base64
import hashlib
import hmac
from uuid import UUID

from django.conf import settings


def derive(kind: str, subject: UUID | str) -> str:
    """The token of one subject, as `<key id>.<43 characters of base64url>`."""
    return _with_key(next(iter(settings.TOKEN_KEYS)), kind, subject)


def verify(kind: str, subject: UUID | str, token: str) -> bool:
    """Whether the token is this subject's, under any key still configured."""
    key_id = token.partition(".")[0]
    if key_id not in settings.TOKEN_KEYS:
        return False
    return hmac.compare_digest(_with_key(key_id, kind, subject).encode(), token.encode())


def _with_key(key_id: str, kind: str, subject: UUID | str) -> str:
    secret = settings.TOKEN_KEYS[key_id].encode()
    digest = hmac.new(secret, f"{kind}:{subject}".encode(), hashlib.sha256).digest()
    return f"{key_id}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

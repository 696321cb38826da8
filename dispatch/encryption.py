"""Secrets at rest: Fernet (AES-128-CBC with HMAC) under `settings.ENCRYPTION_KEYS`.

The first key encrypts, all of them decrypt, so a key is rotated by putting a new one first.
"""

import json
from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(text: str) -> bytes:
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(text.encode())


def decrypt(ciphertext: bytes | memoryview) -> str:
    """Raises `cryptography.fernet.InvalidToken` where no configured key fits."""
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(bytes(ciphertext)).decode()


def encrypt_mapping(values: dict[str, str]) -> bytes:
    return encrypt(json.dumps(values))


def decrypt_mapping(ciphertext: bytes | memoryview) -> dict[str, str]:
    values: dict[str, str] = json.loads(decrypt(ciphertext))
    return values

"""Issues an API key for a client of the dispatch API."""

import json
import secrets
import sys
from argparse import ArgumentParser
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from dispatch import encryption
from dispatch.models import ApiClient, ApiKey
from dispatch.models.client import SCOPES

WEBHOOK_SECRET_PREFIX = "whsec_"


class Command(BaseCommand):
    help = "Issue an API key. Its secret is printed this once and never again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--client", required=True, help="the caller; made if it is new")
        parser.add_argument("--scopes", required=True, help=f"some of {','.join(SCOPES)}")
        parser.add_argument("--name", default="", help="what this key is called in lists")
        parser.add_argument("--expires-days", type=int, help="how long it is good for")
        parser.add_argument("--webhook-url", help="where messages about this client's Tasks go")
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--webhook-secret-stdin", action="store_true", help="read it from standard input"
        )
        source.add_argument(
            "--webhook-secret-generate", action="store_true", help="make a new one and print it"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *arguments: Any, **options: Any) -> None:
        scopes = _scopes(options["scopes"])
        expires_at = _expires_at(options["expires_days"])
        webhook_secret = _webhook_secret(options)
        with transaction.atomic():
            client, _ = ApiClient.objects.get_or_create(name=_client_name(options["client"]))
            _set_webhook(client, options["webhook_url"], webhook_secret)
            name = options["name"] or f"{client.name} {timezone.now():%Y-%m-%d}"
            key, secret = ApiKey.issue(client, name, scopes, expires_at)
        self._print(key, secret, options, webhook_secret)

    def _print(
        self, key: ApiKey, secret: str, options: dict[str, Any], webhook_secret: str
    ) -> None:
        facts = {
            "client": key.client.name,
            "name": key.name,
            "scopes": key.scopes,
            "expires_at": key.expires_at and key.expires_at.isoformat(),
            "secret": secret,
        }
        if options["webhook_secret_generate"]:
            facts["webhook_secret"] = webhook_secret
        if options["json"]:
            self.stdout.write(json.dumps(facts))
            return
        for label, value in facts.items():
            text = ", ".join(value) if isinstance(value, list) else value or "never"
            self.stdout.write(f"{label.replace('_', ' ')}: {text}")


def _client_name(name: str) -> str:
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise CommandError("--client: give a name of 1 to 100 printable characters.")
    return name.strip()


def _scopes(text: str) -> list[str]:
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in wanted if word not in SCOPES]
    if unknown or not wanted:
        wrong = ", ".join(unknown) or "nothing"
        raise CommandError(f"--scopes: {wrong} is no scope; choose from {', '.join(SCOPES)}.")
    return list(dict.fromkeys(wanted))


def _expires_at(days: int | None) -> Any:
    if days is None:
        return None
    if not 1 <= days <= 3650:
        raise CommandError("--expires-days: give a number of days from 1 to 3650.")
    return timezone.now() + timedelta(days=days)


def _webhook_secret(options: dict[str, Any]) -> str:
    """The given or generated one; empty where none is wanted."""
    asked = options["webhook_secret_stdin"] or options["webhook_secret_generate"]
    if not options["webhook_url"]:
        if asked:
            raise CommandError("--webhook-url: give it along with the secret.")
        return ""
    _check_url(options["webhook_url"])
    if options["webhook_secret_stdin"]:
        return _checked(sys.stdin.readline().strip())
    if options["webhook_secret_generate"]:
        return WEBHOOK_SECRET_PREFIX + b64encode(secrets.token_bytes(32)).decode()
    raise CommandError("--webhook-url: add --webhook-secret-generate or --webhook-secret-stdin.")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(url) > 1000:
        raise CommandError("--webhook-url: give a URL with http or https, and a host.")
    if parts.username is not None:
        raise CommandError("--webhook-url: leave the credentials out; messages are signed.")


def _checked(secret: str) -> str:
    """Standard Webhooks asks for `whsec_` and base64 of 24 to 64 bytes."""
    try:
        size = len(b64decode(secret.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True))
    except ValueError:
        size = 0
    if not secret.startswith(WEBHOOK_SECRET_PREFIX) or not 24 <= size <= 64:
        raise CommandError("The webhook secret: give whsec_ and base64 of 24 to 64 bytes.")
    return secret


def _set_webhook(client: ApiClient, url: str | None, secret: str) -> None:
    if url:
        ciphertext = encryption.encrypt(secret)
        rows = ApiClient.objects.filter(pk=client.pk)
        rows.update(webhook_url=url, webhook_secret=ciphertext)

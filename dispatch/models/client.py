import hashlib
import json
import secrets
from datetime import datetime, timedelta

from django.db import DEFAULT_DB_ALIAS, models, transaction
from django.utils import timezone

from dispatch import prepared
from dispatch.models.ledger import AuditEntry

SCOPES = ("tasks:read", "tasks:write", "rollout:read", "rollout:write")
LAST_USED_RESOLUTION = timedelta(minutes=1)
USABLE_KEY = """
    SELECT key.id, key.name, key.scopes, client.id, client.name,
        coalesce(key.last_used_at > %s, false)
    FROM dispatch_apikey AS key JOIN dispatch_apiclient AS client ON client.id = key.client_id
    WHERE key.digest = %s AND key.revoked_at IS NULL
    AND (key.expires_at IS NULL OR key.expires_at > %s)
"""


class ApiClient(models.Model):
    """A caller of the dispatch API (a Rails installation) and its one webhook endpoint.

    `webhook_secret` is kept encrypted (`dispatch.encryption`); an empty URL means no webhooks.
    """

    name = models.CharField(max_length=100, unique=True)
    webhook_url = models.CharField(max_length=1000, blank=True)
    webhook_secret = models.BinaryField(default=bytes)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A bearer key. Only the SHA-256 of its random secret is stored."""

    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="keys")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    fresh = False  # `find` saw that `last_used_at` needs no update yet

    def __str__(self) -> str:
        return f"{self.client} {self.name}"

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    @classmethod
    def issue(
        cls,
        client: ApiClient,
        name: str,
        scopes: list[str],
        expires_at: datetime | None = None,
    ) -> tuple["ApiKey", str]:
        """A new key and its secret, which is shown this once and never again."""
        secret = f"sy_{secrets.token_urlsafe(32)}"
        digest = cls.digest_of(secret)
        key = cls.objects.create(
            client=client, name=name, digest=digest, scopes=scopes, expires_at=expires_at
        )
        return key, secret

    @classmethod
    def find(cls, secret: str) -> "ApiKey | None":
        """The usable key with this secret: not revoked, not expired. Only its name, scopes and
        client are loaded."""
        now = timezone.now()
        found = prepared.run(USABLE_KEY, [now - LAST_USED_RESOLUTION, cls.digest_of(secret), now])
        if not found:
            return None
        key_id, name, scopes, client_id, client_name, fresh = found[0]
        key = cls.from_db(DEFAULT_DB_ALIAS, ["id", "name"], [key_id, name])
        key.scopes = json.loads(scopes)
        key.client = ApiClient.from_db(DEFAULT_DB_ALIAS, ["id", "name"], [client_id, client_name])
        key.fresh = bool(fresh)
        return key

    def touch(self) -> None:
        """Keep `last_used_at` true to the minute, without a write on each request."""
        if not self.fresh:
            ApiKey.objects.filter(pk=self.pk).update(last_used_at=timezone.now())

    def revoke(self, *, actor: str, reason: str) -> bool:
        """Make it useless for ever; False where somebody did so before."""
        with transaction.atomic():
            rows = ApiKey.objects.filter(pk=self.pk, revoked_at=None)
            if not rows.update(revoked_at=timezone.now()):
                return False
            AuditEntry.objects.create(
                actor=actor,
                actor_kind="person",
                action="api_key.revoke",
                subject=f"{self} ({self.pk})",
                reason=reason,
            )
            return True


class IdempotencyKey(models.Model):
    """The stored answer to one request, written in the transaction of the work itself.

    `body` is the answer as it was sent, byte for byte.
    """

    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    location = models.CharField(max_length=500, default="", blank=True)
    body = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["client", "key"], name="one_answer_per_key"),
        ]

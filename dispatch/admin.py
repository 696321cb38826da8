"""The records in Django's admin: to be looked at, never to be changed. Rows move through the verbs
of their models alone; secrets and what tests uploaded are not shown.
"""

from collections.abc import Sequence

from django.contrib import admin, messages
from django.contrib.admin.options import ModelAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from dispatch import models


class RecordAdmin(ModelAdmin):
    """Nothing can be added, changed or deleted."""

    show_full_result_count = False  # counting a long history twice tells nobody anything
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def show(
    model: type[Model],
    columns: Sequence[str],
    *,
    search: Sequence[str] = (),
    hidden: Sequence[str] = (),
    related: Sequence[str] = (),
    order: str = "-pk",
) -> None:
    """Register a model with these columns in its list. `hidden` fields are shown nowhere."""
    options = {
        "list_display": columns,
        "search_fields": search,
        "exclude": hidden,
        "list_select_related": related or False,
        "ordering": (order,),
    }
    admin.site.register(model, type(f"{model.__name__}Admin", (RecordAdmin,), options))


show(
    models.SuiteRun,
    ("suite_run_id", "account", "repository", "branch", "backend", "rule", "created_at"),
    search=("=suite_run_id",),
)
show(
    models.Task,
    ("id", "suite_run", "order_index", "state", "category", "created_at", "finished_at"),
    search=("=id",),
    related=("suite_run",),
)
show(
    models.Assignment,
    ("id", "task", "number", "purpose", "backend", "external_id", "category", "closed_at"),
    search=("=id", "=task__id"),
)
show(models.TaskEvent, ("task", "seq", "kind", "at"), search=("=task__id",))
show(
    models.Webhook,
    ("kind", "client", "task", "sequence", "attempts", "delivered_at", "failed_at"),
    search=("=task__id",),
    related=("client",),
)
show(models.ApiClient, ("name", "webhook_url", "created_at"), hidden=("webhook_secret",))
show(models.Rollout, ("id", "old_backend", "new_backend", "created_at", "closed_at"))
show(
    models.TrafficSplit,
    ("id", "rollout", "weight", "actor", "reason", "at"),
    related=("rollout",),
)
show(
    models.DropletLife,
    ("name", "provider_id", "size", "hourly_price", "created_at", "destroyed_at", "end_reason"),
    search=("=name", "=provider_id"),
)
show(models.AuditEntry, ("at", "actor", "action", "subject", "reason"), search=("actor", "action"))
show(models.Lease, ("name", "holder", "expires_at"), order="name")
show(models.LoopBeat, ("name", "at", "seconds", "every", "error"), order="name")
show(models.BackendStatus, ("name", "unavailable_since", "failures", "message"), order="name")
show(models.LogStream, ("assignment", "name", "length", "cut_from", "cut_to"))
show(
    models.ResultFile,
    ("assignment", "name", "complete", "example_count", "failure_count", "at"),
    hidden=("data",),
)
show(models.Artifact, ("assignment", "name", "content_type", "at"), hidden=("data",))
show(models.RefusedReport, ("assignment", "kind", "reason", "at"), hidden=("body",))


@admin.register(models.ApiKey)
class ApiKeyAdmin(RecordAdmin):
    """Keys are issued with `manage.py create-api-key`, and revoked here."""

    list_display = ("name", "client", "scopes", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("client",)
    exclude = ("digest",)
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("dispatch.change_apikey")

    @admin.action(
        description="Revoke: the key is useless at once and for ever", permissions=["revoke"]
    )
    def revoke(self, request: HttpRequest, keys: QuerySet[models.ApiKey]) -> None:
        actor = request.user.get_username()
        revoked = [key for key in keys if key.revoke(actor=actor, reason="revoked in the admin")]
        messages.success(request, f"{len(revoked)} of {len(keys)} keys revoked just now.")

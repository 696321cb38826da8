from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from dispatch import encryption
from dispatch.models import ApiKey, AuditEntry
from tests.controlplane.seeding import seed_day
from tests.factories import make_client

pytestmark = pytest.mark.django_db
OURS = [model for model in admin.site._registry if model._meta.app_label in ("dispatch",)]


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_records_can_be_looked_at_and_never_changed(console: Client) -> None:
    seed_day()
    ApiKey.issue(make_client(), "key", [])
    looked_at = {model for model in OURS if look_at(console, model)}
    assert {model.__name__ for model in set(OURS) - looked_at} <= {
        "BackendStatus", "Lease", "RefusedReport", "AuditEntry",
    }  # fmt: skip


def look_at(console: Client, model: Any) -> bool:
    """Try everything that changes a record; False where there is none."""
    row = model._default_manager.first()
    assert console.get(url(model, "changelist")).status_code == 200, model
    assert console.get(url(model, "add")).status_code == 403, model
    if row is None:
        return False
    page = url(model, "change", row.pk)
    assert console.get(page).status_code == 200, model
    assert console.post(page, {"name": "changed"}).status_code == 403, model
    assert console.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403, model
    selected = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    console.post(url(model, "changelist"), selected)
    return bool(model._default_manager.filter(pk=row.pk).exists())


def test_any_text_can_be_searched_for(console: Client) -> None:
    for model in OURS:
        for query in ("", "'\"", "0", "x" * 50, "0b1e7a52-7c3b-4a55-9d6e-0a4c8f0f7a11"):
            response = console.get(url(model, "changelist"), {"q": query})
            assert response.status_code == 200, (model, query)


def test_secrets_are_shown_nowhere(console: Client) -> None:
    client = make_client(webhook_secret=encryption.encrypt("whsec_x"))
    key, secret = ApiKey.issue(client, "deploy", ["tasks:read"])
    for page in (
        url(ApiKey, "changelist"), url(ApiKey, "change", key.pk),
        url(client, "changelist"), url(client, "change", client.pk),
    ):  # fmt: skip
        text = console.get(page).content.decode()
        assert key.digest not in text and secret not in text
        assert bytes(client.webhook_secret).decode() not in text
    registered = {model.__name__ for model in OURS}
    assert not registered & {"TaskSecret", "IdempotencyKey", "LogChunk"}


def test_a_key_is_revoked_with_an_entry_in_the_audit(console: Client) -> None:
    key, secret = ApiKey.issue(make_client(), "deploy", ["tasks:read"])
    chosen = {"action": "revoke", "_selected_action": [key.pk]}
    for _ in range(2):
        console.post(url(ApiKey, "changelist"), chosen)
    assert ApiKey.find(secret) is None
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.actor_kind) == ("api_key.revoke", "maria", "person")
    assert "deploy" in entry.subject


def test_who_may_only_look_revokes_nothing(both_backends: None) -> None:
    key, secret = ApiKey.issue(make_client(), "deploy", ["tasks:read"])
    guest = User.objects.create_user("guest", is_staff=True)
    guest.user_permissions.add(Permission.objects.get(codename="view_apikey"))
    browser = Client()
    browser.force_login(guest)
    browser.post(url(ApiKey, "changelist"), {"action": "revoke", "_selected_action": [key.pk]})
    assert ApiKey.find(secret) == key


def test_nobody_writes_schedules_in_the_admin() -> None:
    models = {model._meta.label for model in admin.site._registry}
    assert not {label for label in models if label.startswith("django_q.")}
    assert apps.is_installed("django_q")


def test_the_admin_is_for_staff() -> None:
    assert Client().get("/admin/").status_code == 302

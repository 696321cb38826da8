from typing import Any

from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def copy_accounts(apps: Any, schema_editor: Any) -> None:
    """Those that are queued or run; the limit concerns no others."""
    accounts = apps.get_model("dispatch", "Task").objects.filter(pk=OuterRef("task_id"))
    live = apps.get_model("dispatch", "Assignment").objects.filter(closed_at=None)
    live.update(account=Subquery(accounts.values("suite_run__account")[:1]))


class Migration(migrations.Migration):
    dependencies = [
        ("dispatch", "0002_assignment_pending"),
    ]

    operations = [
        migrations.AddField(
            model_name="assignment",
            name="account",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.RunPython(copy_accounts, migrations.RunPython.noop),
    ]

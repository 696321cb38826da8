from typing import TYPE_CHECKING

from django.db import models, transaction

from dispatch import wake
from dispatch.ids import new_id

if TYPE_CHECKING:
    from dispatch.models.assignment import Assignment


class SuiteRun(models.Model):
    """The Tasks of one push: what they share, and the one routing decision for all of them.

    The decision is made when the first Task arrives and never changes; `backend` is empty while
    no backend is configured. The columns from `rule` on are all that is needed to recompute it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.CharField(max_length=100)
    suite_run_id = models.CharField(max_length=100)
    repository = models.CharField(max_length=200)
    commit = models.CharField(max_length=64)
    branch = models.CharField(max_length=255)
    order_count = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    project_name = models.CharField(max_length=200)
    user_id = models.CharField(max_length=100, blank=True)
    github_installation_id = models.CharField(max_length=100, blank=True)
    clone_url = models.CharField(max_length=1000, blank=True)
    paths = models.JSONField(default=dict)
    compose_text = models.TextField(null=True)
    dockerfile_text = models.TextField(null=True)
    dry_run_example_count = models.PositiveIntegerField(null=True)

    backend = models.CharField(max_length=40, blank=True)
    rule = models.CharField(max_length=40, blank=True)
    routing_key = models.CharField(max_length=200, blank=True)
    bucket = models.PositiveIntegerField(null=True)
    weight = models.PositiveIntegerField(null=True)
    salt = models.CharField(max_length=64, blank=True)
    configuration_version = models.BigIntegerField(null=True)
    reasons = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "suite_run_id"], name="one_suite_run_per_account_and_id"
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=models.Q(backend=""), name="suite_runs_without_backend"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account}/{self.suite_run_id}"

    def count_examples(self, count: int, assignment: "Assignment") -> None:
        """Keep how many examples the whole suite has, as an agent says. Each shard tells the
        same number: Rails hears of it once."""
        from dispatch.models.webhook import Webhook

        others = SuiteRun.objects.filter(pk=self.pk).exclude(dry_run_example_count=count)
        with transaction.atomic():
            if not others.update(dry_run_example_count=count):
                return
            Webhook.enqueue(
                assignment.task_id,
                "suite_run.updated",
                assignment_id=assignment.pk,
                facts={"dry_run_example_count": count},
            )
        wake.send("webhooks")

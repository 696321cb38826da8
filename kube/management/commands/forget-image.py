"""Have an image built anew."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from dispatch.models import Assignment, SuiteRun
from kube.models import Image, ImageState


class Command(BaseCommand):
    help = (
        "Have an image built anew by the next Task that needs it, whatever is known of it: one "
        "that is no good, or that failed for a reason that has gone. Tasks that run keep theirs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", help="the id of a Task that built or ran it, or a repository")
        parser.add_argument("commit", nargs="?", help="the commit, where a repository is given")

    def handle(self, *args: Any, **options: Any) -> None:
        what, commit = options["what"], options["commit"]
        rows = Image.objects.filter(_of_commit(what, commit) if commit else _of_task(what))
        found = list(rows.order_by("changed_at"))
        if not found:
            raise CommandError(f"No image is known of {what}{f' at {commit}' if commit else ''}.")
        for image in found:
            self.stdout.write(f"{image.reference}: {_forget(image)}")


def _of_commit(repository: str, commit: str) -> Q:
    runs = SuiteRun.objects.filter(repository=repository, commit=commit)
    return Q(suite_run__in=runs.values("pk"))


def _of_task(text: str) -> Q:
    """Those that it built or ran, and what failed for its suite run."""
    try:
        attempts = Assignment.objects.filter(task_id=UUID(text))
    except ValueError:
        remedy = "give the id of a Task, or a repository and a commit."
        raise CommandError(f"{text}: {remedy}") from None
    failed = Q(suite_run__in=attempts.values("task__suite_run"), state=ImageState.FAILED)
    ran = attempts.filter(image_from__isnull=False)
    built_by = Q(builder__in=attempts.values("pk")) | Q(builder__in=ran.values("image_from"))
    return built_by | failed


def _forget(image: Image) -> str:
    if image.state == ImageState.BUILDING:
        return "is being built; cancel its Task to have another one build it"
    return "is built anew from now on" if image.free() else "has changed just now: try again"

"""The outcome table: whole, and printed in the documents as the code reads it."""

import io
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from dispatch.outcomes import (
    NOTES,
    OUTCOMES,
    TERMINAL,
    Again,
    Category,
    brought_verdict,
    failed_by_infrastructure,
)

DOCUMENT = Path("docs/outcomes.md")


def printed() -> str:
    output = io.StringIO()
    call_command("outcomes", stdout=output)
    return output.getvalue()


def test_every_category_has_its_line_and_no_other_has() -> None:
    assert set(OUTCOMES) == set(Category.values)
    assert set(NOTES) <= set(OUTCOMES)


def test_every_line_ends_the_task_and_says_why() -> None:
    for category, outcome in OUTCOMES.items():
        assert outcome.task in TERMINAL, category
        assert outcome.sentence.endswith("."), category


def test_only_an_attempt_that_is_tried_again_goes_elsewhere() -> None:
    elsewhere = {category for category, outcome in OUTCOMES.items() if outcome.elsewhere}
    assert elsewhere == {
        "unschedulable", "quota", "image_pull_not_found", "image_pull_auth", "image_pull_network",
        "pod_refused", "config_error", "api_unavailable", "rejected",
    }  # fmt: skip
    assert all(OUTCOMES[one].again in (Again.YES, Again.ELSEWHERE) for one in elsewhere)


@pytest.mark.parametrize("category", Category.values)
def test_an_end_is_a_verdict_or_a_cancel_or_an_infrastructure_failure(category: str) -> None:
    kinds = [brought_verdict(category), category == "cancelled", failed_by_infrastructure(category)]
    assert sum(kinds) == 1


def test_the_document_is_what_the_command_prints() -> None:
    document = (settings.ROOT / DOCUMENT).read_text()
    assert document == printed(), f"print it anew: manage.py outcomes > {DOCUMENT}"


def test_the_document_says_what_follows_an_end() -> None:
    assert (
        "| `quota` | The namespace's quota was used up. | errored | yes | before the claim | yes "
        "| Kubernetes only. |" in printed()
    )
    assert "| `test_oom` | The tests used more memory than they may. | failed | once," in printed()

"""Both ways of storing come to the same rows, and to the same refusals."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, models

from dispatch.api import storing
from dispatch.api.acceptance import Order, _prepared, _rows
from dispatch.api.requests import NEW_SUITE_RUN
from dispatch.api.storing import KeyTaken, OrderIndexTaken, Rows, SuiteRunThere
from dispatch.fake import FakeBackend
from dispatch.models import IdempotencyKey
from tests.dispatch.api.calling import shared_body
from tests.factories import make_client

Store = Callable[[Rows], None]
WAYS = [storing.with_the_orm, storing.in_one_statement]
TEXT = "naïve \\ 'quoted' \"double\" %s {x}\n\t\u2028 \U0001f600"


@pytest.fixture(params=WAYS, ids=["orm", "one_statement"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """`store` with this way, whatever the database."""
    chosen: Store = request.param
    if chosen is storing.in_one_statement and connection.vendor != "postgresql":
        pytest.skip("SQLite has no statement that inserts into several tables")
    monkeypatch.setattr(storing, "with_the_orm", chosen)
    monkeypatch.setattr(storing, "in_one_statement", chosen)
    return storing.store


def rows(suite_run_id: str = "build-1", *, indexes: tuple[int, ...] = (1, 2)) -> Rows:
    shards = [
        {
            "order_index": index,
            "env_vars": {"A": TEXT},
            "command": TEXT if index % 2 else None,
            "test_files": None if index % 2 else ["spec/a b_spec.rb", "spec/ü_spec.rb"],
            "labels": {"b": TEXT, "a": ""},
            "priority": -7,
        }
        for index in indexes
    ]
    body = shared_body(suite_run_id=suite_run_id, compose_text=TEXT, seed=2**63 - 1)
    wanted = NEW_SUITE_RUN.read({**body, "tasks": shards})
    order = Order(client=make_client(), shared=wanted, shards=wanted["tasks"])
    return _rows(_prepared(order), answer())


def answer(text: str = "key") -> IdempotencyKey:
    return IdempotencyKey(
        client=make_client(), key=text, fingerprint="f" * 64, status=201, location="/x", body=TEXT
    )


def columns(instance: models.Model) -> dict[str, Any]:
    """All columns as they are in the database; its own numbers left out."""
    stored = type(instance)._default_manager.get(
        **(
            {"pk": instance.pk} if instance.pk else {"key": instance.key}  # type: ignore[attr-defined]
        )
    )
    found = {}
    for field in stored._meta.concrete_fields:
        value = getattr(stored, field.attname)
        if not isinstance(field, models.AutoField):
            found[field.attname] = bytes(value) if isinstance(value, memoryview) else value
    return found


def intended(instance: models.Model) -> dict[str, Any]:
    return {
        field.attname: getattr(instance, field.attname)
        for field in instance._meta.concrete_fields
        if not isinstance(field, models.AutoField)
    }


def test_every_column_is_stored_as_it_was_meant(db: None, fake: FakeBackend, way: Store) -> None:
    new = rows()

    way(new)

    for _, instances in new.by_table():
        assert instances
        for instance in instances:
            assert columns(instance) == intended(instance)


def test_rows_of_a_suite_run_that_is_there_are_added_to_it(
    db: None, fake: FakeBackend, way: Store
) -> None:
    way(rows(indexes=(1, 2)))
    more = rows(indexes=(3,))
    assert more.suite_run is None

    way(Rows(**(vars(more) | {"answer": None})))

    assert columns(more.tasks[0]) == intended(more.tasks[0])


def taken(refused: Rows, way: Store, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        way(refused)
    stored = [
        model._default_manager.filter(pk__in=[one.pk for one in instances])
        for model, instances in refused.by_table()
    ]
    assert not any(found.exists() for found in stored)


def test_a_key_that_is_taken_leaves_nothing_behind(db: None, fake: FakeBackend, way: Store) -> None:
    way(rows("build-1"))

    taken(rows("build-2"), way, KeyTaken)


def test_the_key_is_what_counts_where_everything_is_taken(
    db: None, fake: FakeBackend, way: Store
) -> None:
    first, same = rows(), rows()
    way(first)

    taken(same, way, KeyTaken)


def test_a_suite_run_stored_by_somebody_else_leaves_nothing_behind(
    db: None, fake: FakeBackend, way: Store
) -> None:
    late = rows(indexes=(3,))
    way(rows(indexes=(1,)))

    taken(Rows(**(vars(late) | {"answer": answer("other")})), way, SuiteRunThere)


def test_an_order_index_that_is_taken_leaves_nothing_behind(
    db: None, fake: FakeBackend, way: Store
) -> None:
    way(rows(indexes=(1, 2)))
    second = rows(indexes=(2, 3))

    taken(Rows(**(vars(second) | {"answer": answer("other")})), way, OrderIndexTaken)

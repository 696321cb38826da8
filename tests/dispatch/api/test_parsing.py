import pytest
from rest_framework.exceptions import ParseError

from dispatch.api.parsing import MAX_BODY_BYTES, MAX_DEPTH, read_object
from dispatch.models import Task
from tests.dispatch.api.calling import Api

DEEP = b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1)
BOTTOMLESS = b'{"a":' + b"[" * 100_000


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'"text"', "body"),
        (b'{"a": 1} {"b": 2}', "body"),
        (b'{"a": 1,}', "body"),
        (b"{'a': 1}", "body"),
        (b'{"a": 1, "a": 2}', "a"),
        (b'{"x": {"b": 1, "b": 1}}', "b"),
        (b'{"a": NaN}', "body"),
        (b'{"a": Infinity}', "body"),
        (b'{"a": -Infinity}', "body"),
        (b'{"a": "\\u0000"}', "a"),
        (b'{"a": ["x", "\\u0000"]}', "a[1]"),
        (b'{"a\\u0000": 1}', "body"),
        (b'{"a": {"b": "\\ud800"}}', "a.b"),
        (b'{"a": "\\udc00\\ud800"}', "a"),
        (b'{"a": "\xff"}', "body"),
        (b'\xef\xbb\xbf{"a": 1}', "body"),
        (b'{"a": "\n"}', "body"),
        (b'{"a": ' + b"9" * 5000 + b"}", "body"),
        (DEEP, "body"),
        (BOTTOMLESS, "body"),
    ],
)
def test_what_can_be_misread_is_refused(raw: bytes, field: str) -> None:
    with pytest.raises(ParseError) as refusal:
        read_object(raw)

    assert list(refusal.value.detail) == [field]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b' {"a": [1, {"b": null}]} ', {"a": [1, {"b": None}]}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        ('{"ü": "ß"}'.encode(), {"ü": "ß"}),
    ],
)
def test_everything_else_is_read(raw: bytes, value: object) -> None:
    assert read_object(raw) == value


def test_an_unreadable_body_is_told_where_it_breaks(api: Api) -> None:
    answer = api.post("/api/v1/tasks", b'{"account": "acme",\n nonsense}')

    assert answer.status == 400
    assert "line 2, column 2" in answer.errors["body"]
    assert not Task.objects.exists()


def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    answer = api.post("/api/v1/tasks", b'{"a": "' + b"x" * MAX_BODY_BYTES + b'"}')

    assert (answer.status, list(answer.errors)) == (413, ["body"])


def test_another_content_type_is_refused(api: Api) -> None:
    answer = api.client.post(
        "/api/v1/tasks", {"account": "acme"}, headers={"Authorization": f"Bearer {api.key}"}
    )

    assert answer.status_code == 415
    assert answer.json()["errors"][0]["field"] == "Content-Type"

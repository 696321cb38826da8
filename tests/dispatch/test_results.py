"""What results files say, in JSON and in XML; what cannot be read says why."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch import junit as junit_xml
from dispatch.results import Counts, Unreadable, counts_of, document, read
from tests.dispatch.result_files import junit, rspec

# RSpec ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        rspec()[:-1],
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"summary": []}',
        b'{"summary": {}}',
        rspec(failure_count=None),
        rspec(failure_count=-1),
        rspec(failure_count=True),
        rspec(failure_count=0.0),
        rspec(failure_count="0"),
        rspec(example_count=2**31),
        rspec(errors_outside_of_examples_count="none"),
        b'{"examples": [1], "summary": {"example_count": 1, "failure_count": 0}}',
        b'{"examples": 7, "summary": {"example_count": 1, "failure_count": 0}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"summary": {"example_count": ' + b"9" * 5000 + b"}}",
    ],
)
def test_results_that_are_not_whole_are_incomplete_and_no_error(data: bytes) -> None:
    assert counts_of(data) == Counts()


def test_counts_are_read_from_the_summary() -> None:
    counts = read(b"\xef\xbb\xbf" + rspec(pending_count=1, errors_outside_of_examples_count=2))
    assert counts == Counts(complete=True, example_count=2, pending_count=1, errors_outside_count=2)


def test_a_failed_example_counts_even_if_the_summary_says_otherwise() -> None:
    data = rspec().replace(b'"passed"', b'"failed"', 1)
    assert read(data).failure_count == 1


@pytest.mark.parametrize(
    "data,says",
    [
        (b" \n", "empty"),
        (b"[]", "no JSON object"),
        (b"{", "cannot be read"),
        (b"{}", "summary"),
        (rspec(failure_count="0"), "summary.failure_count"),
        (b'{"summary": {"example_count": 1}}', "summary.failure_count"),
        (b'{"examples": [1], "summary": {}}', "examples"),
        (b"<html/>", "html"),
        (b"<testsuite>", "no XML"),
        (b'<testsuite failures="many"/>', "failures='many' of testsuite"),
        (b'<testsuite errors="-1"/>', "errors='-1'"),
        (b'<?xml version="1.0" encoding="klingon"?><testsuite/>', "no XML"),
        (b"<testsuite>" * 60 + b"</testsuite>" * 60, "more than 50 deep"),
        (b"<a>" * 200_000, "no XML"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read(data)


# JUnit ----------------------------------------------------------------------------------------

FAILURE = '<failure type="Wrong" message="not right">expected 1\nnot right: got 2</failure>'


@pytest.mark.parametrize(
    "data,counts",
    [
        (junit(), {}),
        (junit("", ""), {"example_count": 2}),
        (junit("", FAILURE), {"example_count": 2, "failure_count": 1}),
        (junit("<error/>"), {"example_count": 1, "failure_count": 1}),
        (junit(FAILURE + "<error/>"), {"example_count": 1, "failure_count": 1}),
        (junit("", "<skipped/>"), {"example_count": 2, "pending_count": 1}),
        (junit("<rerunFailure/>", "<flakyFailure/>"), {"example_count": 2}),
        (junit("", outside="<error/>"), {"example_count": 1, "errors_outside_count": 1}),
        (junit("", attributes='errors="1"'), {"example_count": 1, "errors_outside_count": 1}),
        (junit("", attributes='errors="1" failures="2"'),
         {"example_count": 1, "errors_outside_count": 3}),
        (junit(FAILURE, attributes='failures="1"'), {"example_count": 1, "failure_count": 1}),
        (junit(FAILURE, attributes='failures="0"'), {"example_count": 1, "failure_count": 1}),
        (b'<testsuite xmlns="urn:x"><testcase status="notrun"/></testsuite>',
         {"example_count": 1, "pending_count": 1}),
        (b'<testsuites errors="2"><testsuite errors="1"/><testsuite errors="1"/></testsuites>',
         {"errors_outside_count": 2}),
        (b'<testsuites><testsuite errors="1"/><testsuite errors="1"/></testsuites>',
         {"errors_outside_count": 2}),
        (b'<testsuite><testsuite><testcase><error/></testcase></testsuite></testsuite>',
         {"example_count": 1, "failure_count": 1}),
    ],
)  # fmt: skip
def test_junit_is_counted_like_rspec(data: bytes, counts: dict[str, Any]) -> None:
    assert read(data) == Counts(complete=True, **counts)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_junit_may_be_in_any_encoding_that_it_names(encoding: str) -> None:
    named = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{named}"?><testsuite><testcase name="é"/></testsuite>'
    assert document(text.encode(encoding))["examples"][0]["description"] == "é"


@pytest.mark.parametrize(
    "declared,says",
    [
        ('<!DOCTYPE a [<!ENTITY x "y">]>', "entities"),
        ('<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;&x;&x;&x;&x;">]>', "entities"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "entities"),
        ('<!DOCTYPE a [<!ENTITY % x "y">]>', "entities"),
    ],
)
def test_entities_are_refused(declared: str, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read(f"{declared}<testsuite><testcase name='a'/></testsuite>".encode())


def test_nothing_outside_of_the_file_is_fetched() -> None:
    data = (
        b'<!DOCTYPE testsuite SYSTEM "http://127.0.0.1:1/x.dtd"><testsuite><testcase/></testsuite>'
    )
    assert counts_of(data).example_count in (0, 1)


def test_junit_is_shown_in_the_shape_of_rspec() -> None:
    case = f'<testcase classname="Cart" name="adds" file="a.py" line="7" time="1,000.5">{FAILURE}'
    found = document(f'<testsuite><error message="broken"/>{case}</testcase></testsuite>'.encode())
    assert found["messages"] == ["broken"]
    assert found["examples"] == [
        {
            "id": "Cart::adds",
            "description": "adds",
            "full_description": "Cart adds",
            "status": "failed",
            "file_path": "a.py",
            "line_number": 7,
            "run_time": 1000.5,
            "exception": {"class": "Wrong", "message": "expected 1\nnot right: got 2"},
        }
    ]


def test_failures_that_only_a_summary_tells_are_told() -> None:
    data = junit(FAILURE, outside='<error message="broken"/>', attributes='failures="4"')
    assert document(data)["messages"] == ["broken", "2 failures that no test case shows"]


BITS = (
    rb"""
<testsuites>|<testsuite| failures='1'| errors='x'|>|<testcase name='a'>|</testcase>|<testcase/>
|<failure/>|</testsuite>|</testsuites>|&#0;|<![CDATA[|]]>|<?xml version='1.0' encoding='utf-16'?>
|&a;|{|"summary": {|"example_count": 1,|"failure_count": 0|}|NaN|[
""".split(b"|")
    + [b"\xff\xfe", b"\x00"]
)


@given(st.one_of(st.binary(), st.lists(st.sampled_from(BITS)).map(b"".join)))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    try:
        found = read(data)
    except Unreadable as problem:
        assert str(problem)
        assert counts_of(data) == Counts()
    else:
        assert found.complete and min(vars(found).values()) >= 0


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit_xml, "LARGEST", 10)
    with pytest.raises(Unreadable, match="10 are read"):
        read(junit(""))

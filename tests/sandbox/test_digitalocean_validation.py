"""A create is strict: what DigitalOcean would refuse, or would silently ignore, is a 422."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.digitalocean_client import Clocked

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"size": "huge"}, "You specified an invalid size for Droplet creation."),
    ({"size": 4}, "You specified an invalid size for Droplet creation."),
    ({"size": None}, "You specified an invalid size for Droplet creation."),
    ({"region": "mars1"}, "You specified an invalid region for Droplet creation."),
    ({"region": ""}, "You specified an invalid region for Droplet creation."),
    ({"region": ["nyc3"]}, "You specified an invalid region for Droplet creation."),
    ({"image": "windows"}, "You specified an invalid image for Droplet creation."),
    ({"image": 1}, "You specified an invalid image for Droplet creation."),
    ({"image": True}, "You specified an invalid image for Droplet creation."),
    ({"image": None}, "You specified an invalid image for Droplet creation."),
    ({"name": ""}, "Name can't be blank"),
    ({"name": "under_score"}, "Only valid hostname characters are allowed."),
    ({"name": "line\n"}, "Only valid hostname characters are allowed."),
    ({"name": "ends-with-"}, "Only valid hostname characters are allowed."),
    ({"name": "a" * 256}, "Name is too long"),
    ({"name": 7}, 'field "name" must be a string'),
    ({"name": None}, 'field "name" must be a string'),
    ({"names": ["a"]}, "either a name or names"),
    ({"flavour": "mint"}, 'field "flavour" is unknown'),
    ({"backups": "yes"}, 'field "backups" must be a boolean'),
    ({"ipv6": 1}, 'field "ipv6" must be a boolean'),
    ({"tags": "pool"}, 'field "tags" must be an array of strings'),
    ({"tags": [1]}, 'field "tags" must be an array of strings'),
    ({"tags": ["a.b"]}, 'tag-name "a.b" contains invalid characters'),
    ({"tags": ["a" * 256]}, "is too long"),
    ({"user_data": "x" * 65537}, "may not exceed 64 KiB"),
    ({"user_data": "ü" * 32769}, "may not exceed 64 KiB"),
    ({"user_data": {"a": 1}}, 'field "user_data" must be a string'),
    ({"ssh_keys": [12, "ab:cd"]}, "12, ab:cd are invalid key identifiers for Droplet creation."),
    ({"ssh_keys": "12"}, 'field "ssh_keys" must be an array'),
    ({"vpc_uuid": "760e09ef-dc84-11e8-981e-3cfdfeaae000"}, "invalid VPC"),
    ({"vpc_uuid": "x"}, "invalid VPC"),
    ({"backup_policy": "daily"}, 'field "backup_policy" must be an object'),
]


def test_every_wrong_field_is_a_422_that_names_it_and_creates_nothing(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked(minute_limit=0)
    for change, message in WRONG:
        answer = api.order(**change)
        assert (change, answer.status_code) == (change, 422)
        assert answer.json()["id"] == "unprocessable_entity"
        assert message in answer.json()["message"]
    assert api.call("GET", "/v2/droplets").json()["meta"]["total"] == 0


@pytest.mark.parametrize("names", [[], [f"w-{i}" for i in range(11)], "w-1", ["a", 1], ["a", "_"]])
def test_names_are_one_to_ten_valid_names(clocked: Callable[..., Clocked], names: Any) -> None:
    api = clocked()
    body = {"names": names, "size": "c-2", "image": "debian-12-x64"}
    assert api.call("POST", "/v2/droplets", body).status_code == 422


def test_fields_that_may_be_null_or_left_out_are_accepted(clocked: Callable[..., Clocked]) -> None:
    api = clocked(ssh_keys=frozenset({"12"}))
    sent = {"tags": None, "vpc_uuid": None, "volumes": [], "ssh_keys": [12]}
    created = api.order(**sent, user_data="x" * 65536)
    assert created.status_code == 202
    vpc = created.json()["droplet"]["vpc_uuid"]
    assert api.order(name="w-2", vpc_uuid=vpc).status_code == 202
    bare = {"name": "w-3", "size": "c-2", "image": "133383386"}
    assert api.call("POST", "/v2/droplets", bare).status_code == 202


def test_a_body_that_is_no_json_object_is_a_400(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    for body in (b"{", b"[]", b"\xff", b'"text"', b"[" * 100_000):
        answer = api.call("POST", "/v2/droplets", data=body)
        assert (body[:9], answer.status_code) == (body[:9], 400)
        assert answer.json()["id"] == "bad_request"


def test_a_body_beyond_a_mebibyte_is_refused_without_reading_it(
    clocked: Callable[..., Clocked],
) -> None:
    answer = clocked().call("POST", "/v2/droplets", headers={"Content-Length": "2000000"})
    assert answer.status_code == 413

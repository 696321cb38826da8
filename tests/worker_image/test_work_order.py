from __future__ import annotations

from typing import Any

import pytest

from tests.worker_image.conftest import item
from worker_image.switchyard_agent.errors import BadWorkOrder
from worker_image.switchyard_agent.work_order import Paths, WorkOrder

LEGACY: dict[str, Any] = {
    "id": "a-1",
    "run_id": "r-1",
    "commit_hash": "abc1234",
    "github_repo_full_name": "acme/shop",
    "env_vars": {},
}


def test_an_item_without_our_key_gets_the_defaults() -> None:
    order = WorkOrder.from_item(LEGACY)
    assert order.task_id == "r-1"
    assert order.clone_url == "https://github.com/acme/shop.git"
    assert order.paths == Paths(
        dockerfile=".saturnci/Dockerfile",
        compose=".saturnci/docker-compose.yml",
        pre_script=".saturnci/pre.sh",
        service="saturn_test_app",
    )
    assert (order.order_index, order.order_count, order.seed) == (1, 1, 0)
    assert (order.command, order.test_files) == (None, None)
    assert (order.timeout_seconds, order.log_cap_bytes) == (3600, 100 * 1024 * 1024)


def test_numbers_may_be_strings() -> None:
    order = WorkOrder.from_item({**LEGACY, "run_order_index": "2", "rspec_seed": "65535"})
    assert (order.order_index, order.seed) == (2, 65535)


def test_paths_that_are_not_given_keep_their_default() -> None:
    ours = {"paths": {"dockerfile": "ci/Dockerfile", "service": None}}
    order = WorkOrder.from_item({**LEGACY, "switchyard": ours})
    assert order.paths == Paths(dockerfile="ci/Dockerfile")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run_id": None}, "task_id is missing"),
        ({"commit_hash": "HEAD"}, "commit_hash is 'HEAD'"),
        ({"commit_hash": None}, "commit_hash is ''"),
        ({"github_repo_full_name": None}, "switchyard.clone_url is ''"),
        ({"switchyard": {"clone_url": "ext::sh -c x"}}, "switchyard.clone_url"),
        ({"switchyard": {"clone_url": "--upload-pack=x"}}, "switchyard.clone_url"),
        ({"switchyard": []}, None),
        ({"switchyard": "x"}, "switchyard is 'x': it must be an object"),
        ({"switchyard": {"paths": {"dockerfile": "../x"}}}, "paths.dockerfile is '../x'"),
        ({"switchyard": {"paths": {"pre_script": "/x"}}}, "paths.pre_script is '/x'"),
        ({"switchyard": {"test_files": "a"}}, "test_files is 'a'"),
        ({"switchyard": {"test_files": [1]}}, "test_files"),
        ({"switchyard": {"timeout_seconds": 0}}, "timeout_seconds is 0: it must be at least 1"),
        ({"switchyard": {"timeout_seconds": 1.5}}, "timeout_seconds is 1.5"),
        ({"switchyard": {"log_cap_bytes": 1}}, "log_cap_bytes is 1"),
        ({"switchyard": {"command": "a\0b"}}, "command has a NUL"),
        ({"run_order_index": 0}, "run_order_index is 0"),
        ({"rspec_seed": "x"}, "rspec_seed is 'x'"),
        ({"env_vars": {"A=B": "1"}}, "env_vars has the name 'A=B'"),
        ({"env_vars": {"A": ["1"]}}, "A is"),
        ({"env_vars": ["A"]}, "env_vars is"),
    ],
)
def test_what_cannot_be_carried_out_is_named(change: dict[str, Any], message: str | None) -> None:
    if message is None:
        WorkOrder.from_item({**LEGACY, **change})
        return
    with pytest.raises(BadWorkOrder) as caught:
        WorkOrder.from_item({**LEGACY, **change})
    assert message in str(caught.value)


def test_an_item_is_the_same_only_with_both_ids() -> None:
    given = item("file:///x", "abcdef0")
    order = WorkOrder.from_item(given)
    assert order.is_item(given)
    assert order.is_item({**given, "task_id": None})
    assert not order.is_item({**given, "id": "another"})
    assert not order.is_item({**given, "task_id": "another", "run_id": "another"})
    assert not order.is_item({})

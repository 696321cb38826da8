"""Lists: pages, filters, and the trap of a second page that fails."""

from collections.abc import Callable

import digitalocean
import pytest

from tests.sandbox.digitalocean_client import Clocked, Running


def fill(api: Clocked | Running, count: int, **changes: object) -> list[int]:
    return [api.create(name=f"w-{i}", **changes) for i in range(count)]


def test_a_list_has_20_a_page_and_links_to_the_others(clocked: Callable[..., Clocked]) -> None:
    api = clocked(droplet_limit=50)
    ids = fill(api, 45, tags=["pool"])
    first = api.call("GET", "/v2/droplets?tag_name=pool").json()
    assert [droplet["id"] for droplet in first["droplets"]] == ids[:20]
    assert first["meta"] == {"total": 45}
    assert first["links"]["pages"] == {
        "next": f"{api.url}/v2/droplets?page=2&per_page=20&tag_name=pool",
        "last": f"{api.url}/v2/droplets?page=3&per_page=20&tag_name=pool",
    }
    last = api.call("GET", "/v2/droplets?page=3&tag_name=pool").json()
    assert [droplet["id"] for droplet in last["droplets"]] == ids[40:]
    assert last["links"]["pages"] == {
        "first": f"{api.url}/v2/droplets?page=1&per_page=20&tag_name=pool",
        "prev": f"{api.url}/v2/droplets?page=2&per_page=20&tag_name=pool",
    }
    assert last["meta"] == {"total": 45}


def test_a_page_has_200_at_most_whatever_is_asked(clocked: Callable[..., Clocked]) -> None:
    api = clocked(droplet_limit=300, minute_limit=0)
    for batch in range(21):
        names = [f"w-{batch}-{i}" for i in range(10)]
        body = {"names": names, "size": "c-2", "image": "debian-12-x64"}
        assert api.call("POST", "/v2/droplets", body).status_code == 202
    page = api.call("GET", "/v2/droplets?per_page=1000").json()
    assert (len(page["droplets"]), page["meta"]["total"]) == (200, 210)
    assert "per_page=200" in page["links"]["pages"]["next"]


def test_one_page_has_no_links_and_a_page_beyond_the_end_is_empty(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked()
    fill(api, 2)
    assert api.call("GET", "/v2/droplets/").json()["links"] == {}
    beyond = api.call("GET", "/v2/droplets?page=9").json()
    assert (beyond["droplets"], beyond["meta"]["total"]) == ([], 2)


@pytest.mark.parametrize("query", ["page=0", "page=x", "per_page=0", "per_page=-1", "page=1.5"])
def test_a_page_number_that_is_none_is_a_422(clocked: Callable[..., Clocked], query: str) -> None:
    answer = clocked().call("GET", f"/v2/droplets?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["message"]


def test_a_list_is_filtered_by_tag_or_by_name_in_any_case(clocked: Callable[..., Clocked]) -> None:
    api = clocked()
    one = api.create(name="Worker-1", tags=["pool"])
    two = api.create(name="worker-2")

    def ids(query: str) -> list[int]:
        return [d["id"] for d in api.call("GET", f"/v2/droplets?{query}").json()["droplets"]]

    assert ids("name=worker-1") == [one]
    assert ids("name=worker") == []
    assert ids("tag_name=pool") == [one]
    assert ids("tag_name=none") == []
    assert ids("") == [one, two]
    assert api.call("GET", "/v2/droplets?tag_name=pool&name=worker-1").status_code == 422


def test_the_library_follows_the_pages(run: Callable[..., Running]) -> None:
    api = run()
    ids = fill(api, 5)
    manager = digitalocean.Manager(token=api.token)
    listed = manager.get_all_droplets(params={"per_page": 2})
    assert sorted(droplet.id for droplet in listed) == ids


@pytest.mark.parametrize("status", [429, 500])
def test_the_library_returns_a_truncated_list_when_the_second_page_fails(
    run: Callable[..., Running], status: int
) -> None:
    api = run()
    ids = fill(api, 5)
    api.faults({"kind": "truncated_list", "status": status})
    manager = digitalocean.Manager(token=api.token)
    listed = manager.get_all_droplets(params={"per_page": 2})
    assert [droplet.id for droplet in listed] == ids[:2]
    assert len(manager.get_all_droplets(params={"per_page": 200})) == 5
    second = api.call("GET", "/v2/droplets?page=2&per_page=2")
    assert second.status_code == status
    assert ("retry-after" in second.headers) == (status == 429)

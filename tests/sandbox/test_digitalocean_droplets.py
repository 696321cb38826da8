"""Droplets through the real python-digitalocean, unchanged, and the shapes it hides."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import digitalocean
import pytest
from digitalocean.baseapi import DataReadError, NotFoundError

from tests.sandbox.digitalocean_client import Clocked, Running, eventually


def order(api: Running, name: str, **changes: object) -> digitalocean.Droplet:
    values = {"region": "nyc3", "size_slug": "s-4vcpu-8gb", "image": "ubuntu-24-04-x64"}
    return digitalocean.Droplet(token=api.token, name=name, **{**values, **changes})


def test_the_library_creates_a_droplet_that_boots_and_gets_addresses(
    run: Callable[..., Running],
) -> None:
    api = run()
    droplet = order(api, "worker-1", tags=["switchyard"], monitoring=True)
    droplet.create()
    assert droplet.get_action(droplet.action_ids[0]).type == "create"

    loaded = eventually(lambda: droplet.load() if droplet.load().status == "active" else None)
    assert loaded.name == "worker-1"
    assert loaded.tags == ["switchyard"]
    assert loaded.ip_address.startswith("198.18.")
    assert loaded.private_ip_address.startswith("10.")
    assert loaded.region["slug"] == "nyc3"
    assert loaded.size["price_hourly"] == 0.07143
    assert loaded.image["slug"] == "ubuntu-24-04-x64"
    assert "monitoring" in loaded.features
    assert droplet.get_action(droplet.action_ids[0]).status == "completed"


def test_the_library_creates_several_at_once(run: Callable[..., Running]) -> None:
    api = run()
    names = [f"w-{i}" for i in range(10)]
    made = digitalocean.Droplet.create_multiple(
        token=api.token, names=names, size="c-2", image="debian-12-x64", region="fra1", tags=["t"]
    )
    assert [droplet.name for droplet in made] == names
    assert len({droplet.id for droplet in made}) == 10


def test_the_library_reads_account_sizes_regions_images_and_tags(
    run: Callable[..., Running],
) -> None:
    api = run("--droplet-limit=7", "--image=142000001=worker", "--price=c-2=0.5")
    manager = digitalocean.Manager(token=api.token)
    assert manager.get_account().droplet_limit == 7
    assert manager.get_account().status == "active"
    prices = {size.slug: size.price_hourly for size in manager.get_all_sizes()}
    assert prices["c-2"] == 0.5
    assert prices["s-2vcpu-4gb"] == 0.03571
    assert "nyc3" in {region.slug for region in manager.get_all_regions()}
    assert [image.id for image in manager.get_my_images()] == [142000001]
    assert manager.get_image("debian-12-x64").distribution == "Debian"
    tag = digitalocean.Tag(token=api.token, name="pool")
    tag.create()
    droplet = order(api, "w-1")
    droplet.create()
    tag.add_droplets([droplet])
    assert [d.id for d in manager.get_all_droplets(tag_name="pool")] == [droplet.id]
    tag.remove_droplets([droplet])
    assert manager.get_all_droplets(tag_name="pool") == []
    assert tag.delete() is True


def test_destroying_answers_204_once_and_404_ever_after(run: Callable[..., Running]) -> None:
    api = run()
    droplet = order(api, "w-1")
    droplet.create()
    assert droplet.destroy() is True
    with pytest.raises(NotFoundError):
        droplet.destroy()
    with pytest.raises(NotFoundError):
        digitalocean.Manager(token=api.token).get_droplet(droplet.id)
    gone = api.call("GET", f"/v2/droplets/{droplet.id}")
    assert gone.json()["id"] == "not_found"


def test_a_create_answers_202_with_a_new_droplet_without_networks(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked()
    answer = api.order(names=None)
    assert answer.status_code == 422
    answer = api.order(tags=["b", "a"])
    assert answer.status_code == 202
    body = answer.json()
    droplet = body["droplet"]
    assert droplet["status"] == "new"
    assert droplet["networks"] == {"v4": [], "v6": []}
    assert droplet["tags"] == ["b", "a"]
    assert droplet["created_at"] == "2027-01-15T08:00:00Z"
    assert droplet["next_backup_window"] is None
    (link,) = body["links"]["actions"]
    assert link["rel"] == "create"
    assert link["href"] == f"{api.url}/v2/actions/{link['id']}"
    action = api.call("GET", f"/v2/actions/{link['id']}").json()["action"]
    assert (action["status"], action["completed_at"]) == ("in-progress", None)
    assert (action["resource_id"], action["resource_type"]) == (droplet["id"], "droplet")


def test_a_create_of_names_answers_droplets_with_one_action_each(
    clocked: Callable[..., Clocked],
) -> None:
    api = clocked()
    order = {"names": ["a", "b"], "region": "nyc", "size": "c-2", "image": 133383386}
    body = api.call("POST", "/v2/droplets", order).json()
    assert [droplet["name"] for droplet in body["droplets"]] == ["a", "b"]
    assert body["droplets"][0]["region"]["slug"] == "nyc1"
    assert len({link["id"] for link in body["links"]["actions"]}) == 2


def test_the_droplet_limit_refuses_all_or_nothing(run: Callable[..., Running]) -> None:
    api = run("--droplet-limit=3")
    first = order(api, "w-1")
    first.create()
    order(api, "w-2").create()
    both = {"names": ["w-3", "w-4"], "size": "c-2", "image": "debian-12-x64"}
    refused = api.call("POST", "/v2/droplets", both)
    assert refused.status_code == 422
    assert refused.json() == {
        "id": "unprocessable_entity",
        "message": "creating this/these droplet(s) will exceed your droplet limit",
    }
    order(api, "w-3").create()
    with pytest.raises(DataReadError, match="exceed your droplet limit"):
        order(api, "w-4").create()
    first.destroy()
    order(api, "w-4").create()
    api.call("PUT", "/sandbox/account", {"droplet_limit": 4, "status": "warning"})
    order(api, "w-5").create()
    assert digitalocean.Manager(token=api.token).get_account().status == "warning"


def test_creates_at_the_same_time_never_pass_the_limit(run: Callable[..., Running]) -> None:
    api = run("--droplet-limit=5", "--minute-limit=0")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: api.order(name=f"w-{i}").status_code, range(16)))
    assert sorted(answers) == [202] * 5 + [422] * 11


def test_deleting_by_tag_destroys_everything_tagged_and_is_counted_apart(
    run: Callable[..., Running],
) -> None:
    api = run()
    tagged = [api.create(name=f"w-{i}", tags=["pool"]) for i in range(2)]
    other = api.create(name="other")
    api.call("DELETE", f"/v2/droplets/{tagged[0]}")
    assert api.calls("DELETE /v2/droplets?tag_name=") == 0
    assert api.call("DELETE", "/v2/droplets").status_code == 400
    assert api.call("DELETE", "/v2/droplets?tag_name=unknown").status_code == 404
    assert api.call("DELETE", "/v2/droplets?tag_name=pool").status_code == 204
    left = api.call("GET", "/v2/droplets").json()["droplets"]
    assert [droplet["id"] for droplet in left] == [other]
    assert api.calls("DELETE /v2/droplets?tag_name=") == 3


def test_tokens_are_checked_and_a_read_token_may_not_write(run: Callable[..., Running]) -> None:
    api = run("--read-token=reader")
    wrong = api.with_token("wrong").call("GET", "/v2/droplets")
    assert (wrong.status_code, wrong.json()["id"]) == (401, "unauthorized")
    assert "ratelimit-limit" in wrong.headers
    none = api.call("GET", "/v2/account", headers={"Authorization": ""})
    assert none.status_code == 401
    reader = api.with_token("reader")
    assert reader.call("GET", "/v2/droplets").status_code == 200
    refused = reader.order()
    assert (refused.status_code, refused.json()["id"]) == (403, "forbidden")


def test_an_unknown_path_is_404_and_an_unknown_method_405(run: Callable[..., Running]) -> None:
    api = run()
    assert api.call("GET", "/v2/nothing").status_code == 404
    assert api.call("GET", "/v2/droplets/abc").status_code == 404
    assert api.call("GET", "/v2/droplets/" + "9" * 30).status_code == 404
    assert api.call("PATCH", "/v2/droplets").status_code == 405
    assert api.call("GET", "/sandbox/nothing").status_code == 404

"""The API that clients see: /v2/…, in the shapes of the DigitalOcean API description."""

import random
from sqlite3 import Row
from typing import Any

from .actions import action_json, actions_of, find_action
from .catalog import REGIONS, image_json
from .droplets import (
    create_droplets,
    destroy_droplets,
    droplet_json,
    droplets_at,
    find_droplet,
    living_droplets,
)
from .errors import ApiError, not_found, unprocessable
from .faults import Rule
from .paging import page_of
from .power import request_action
from .sandbox import Sandbox
from .tags import (
    delete_tag,
    ensure_tag,
    find_tag,
    read_resources,
    tag_droplet,
    tag_json,
    tagged,
    untag_droplet,
)
from .validation import read_order
from .wire import NO_CONTENT, Request, Response


def create(sandbox: Sandbox, request: Request) -> Response:
    order = read_order(request.json(), sandbox.catalog, sandbox.settings)
    made = create_droplets(sandbox, order)
    droplets = [droplet_json(sandbox, find_droplet(sandbox, id)) for id, _ in made]
    links = [
        {"id": action, "rel": "create", "href": f"{request.base_url}/v2/actions/{action}"}
        for _, action in made
    ]
    shown: dict[str, Any] = {"droplet": droplets[0]} if order.single else {"droplets": droplets}
    return Response(status=202, body={**shown, "links": {"actions": links}})


def list_droplets(sandbox: Sandbox, request: Request) -> Response:
    tag, name = request.query.get("tag_name"), request.query.get("name")
    if tag is not None and name is not None:
        raise unprocessable("tag_name can not be combined with name")
    rows, moment = living_droplets(sandbox, tag=tag, name=name), None
    if stale := request.lie("stale"):
        moment = sandbox.now() - stale.seconds
        rows = droplets_at(sandbox, moment, tag=tag, name=name)
    total = len(rows)
    if omit := request.lie("omit"):
        rows = _omit(rows, omit.rule)
    shown = [droplet_json(sandbox, row, at=moment) for row in rows]
    honest = omit is not None and omit.rule.honest_total
    return page_of(request, "droplets", shown, total=total if honest else None)


def _omit(rows: list[Row], rule: Rule) -> list[Row]:
    """Leave out the named droplets, or so many by chance."""
    if rule.name:
        return [row for row in rows if not rule.names(row["name"])]
    chosen = random.Random(f"{rule.seed}:{len(rows)}").sample(rows, min(rule.droplets, len(rows)))
    return [row for row in rows if row not in chosen]


def get_droplet(sandbox: Sandbox, request: Request, id: int) -> Response:
    return Response(body={"droplet": droplet_json(sandbox, find_droplet(sandbox, id))})


def delete_droplet(sandbox: Sandbox, request: Request, id: int) -> Response:
    destroy_droplets(sandbox, [id])
    return NO_CONTENT


def delete_by_tag(sandbox: Sandbox, request: Request) -> Response:
    """Destroys every droplet with the tag, as the real one does. Nobody should call it."""
    tag = request.query.get("tag_name")
    if not tag:
        raise ApiError(400, "tag_name is required")
    destroy_droplets(sandbox, tagged(sandbox.store, find_tag(sandbox.store, tag)))
    return NO_CONTENT


def start_action(sandbox: Sandbox, request: Request, id: int) -> Response:
    action = request_action(sandbox, id, request.json())
    return Response(status=201, body={"action": action_json(action, sandbox.catalog)})


def list_droplet_actions(sandbox: Sandbox, request: Request, id: int) -> Response:
    find_droplet(sandbox, id)
    shown = [action_json(a, sandbox.catalog) for a in actions_of(sandbox.store, id)]
    return page_of(request, "actions", shown)


def get_droplet_action(sandbox: Sandbox, request: Request, id: int, action: int) -> Response:
    row = find_action(sandbox.store, action, droplet_id=id)
    return Response(body={"action": action_json(row, sandbox.catalog)})


def list_actions(sandbox: Sandbox, request: Request) -> Response:
    rows = sandbox.store.read("SELECT * FROM action ORDER BY id DESC")
    return page_of(request, "actions", [action_json(row, sandbox.catalog) for row in rows])


def get_action(sandbox: Sandbox, request: Request, action: int) -> Response:
    row = find_action(sandbox.store, action)
    return Response(body={"action": action_json(row, sandbox.catalog)})


def create_tag(sandbox: Sandbox, request: Request) -> Response:
    name = ensure_tag(sandbox.store, request.json().get("name", ""))
    body = {"tag": tag_json(sandbox.store, name, request.base_url)}
    return Response(status=201, body=body)


def list_tags(sandbox: Sandbox, request: Request) -> Response:
    rows = sandbox.store.read("SELECT name FROM tag ORDER BY name")
    shown = [tag_json(sandbox.store, row["name"], request.base_url) for row in rows]
    return page_of(request, "tags", shown)


def get_tag(sandbox: Sandbox, request: Request, tag: str) -> Response:
    found = find_tag(sandbox.store, tag)
    return Response(body={"tag": tag_json(sandbox.store, found, request.base_url)})


def remove_tag(sandbox: Sandbox, request: Request, tag: str) -> Response:
    delete_tag(sandbox.store, find_tag(sandbox.store, tag))
    return NO_CONTENT


def tag_resources(sandbox: Sandbox, request: Request, tag: str) -> Response:
    with sandbox.store.transaction():
        for id in read_resources(request.json()):
            find_droplet(sandbox, id)
            tag_droplet(sandbox.store, id, find_tag(sandbox.store, tag))
    return NO_CONTENT


def untag_resources(sandbox: Sandbox, request: Request, tag: str) -> Response:
    with sandbox.store.transaction():
        for id in read_resources(request.json()):
            find_droplet(sandbox, id)
            untag_droplet(sandbox.store, id, find_tag(sandbox.store, tag))
    return NO_CONTENT


def get_account(sandbox: Sandbox, request: Request) -> Response:
    status = sandbox.account_status
    account = {
        "droplet_limit": sandbox.droplet_limit,
        "floating_ip_limit": 3,
        "email": "sandbox@example.com",
        "name": "Sandbox",
        "uuid": sandbox.store.id,
        "email_verified": True,
        "status": status,
        "status_message": "" if status == "active" else f"The account has the status {status}.",
        "team": {"uuid": sandbox.store.id, "name": "Sandbox"},
    }
    return Response(body={"account": account})


def list_sizes(sandbox: Sandbox, request: Request) -> Response:
    catalog = sandbox.catalog
    return page_of(request, "sizes", [catalog.size_json(slug) for slug in catalog.sizes])


def list_regions(sandbox: Sandbox, request: Request) -> Response:
    return page_of(request, "regions", [sandbox.catalog.region_json(slug) for slug in REGIONS])


def list_images(sandbox: Sandbox, request: Request) -> Response:
    images = sandbox.catalog.images
    if request.query.get("private") == "true":
        images = [image for image in images if not image.public]
    if kind := request.query.get("type"):
        images = [image for image in images if kind == "distribution" and image.public]
    return page_of(request, "images", [image_json(image) for image in images])


def get_image(sandbox: Sandbox, request: Request, image: str) -> Response:
    found = sandbox.catalog.image(image)
    if found is None:
        raise not_found()
    return Response(body={"image": image_json(found)})

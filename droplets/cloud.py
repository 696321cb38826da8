"""DigitalOcean, as far as we need it: the only module that imports python-digitalocean.

The library hides status codes and headers, truncates lists silently and has no timeout by
default; `_Api` keeps the last answer of each call, so that the rest of the product sees small
types and one error class per reaction.
"""

import threading
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import digitalocean
import requests
from django.utils.dateparse import parse_datetime

from dispatch.backends import BackendError, NoCapacity, Rejected, Unavailable
from droplets.config import Config

PER_PAGE = 200
MOST_PAGES = 100


class Refused(Rejected):
    """DigitalOcean said no to what we asked; asking again without a change is useless."""


@dataclass(frozen=True, kw_only=True)
class Droplet:
    """One droplet as DigitalOcean shows it. `hourly_price` is in USD."""

    provider_id: str
    name: str
    status: str
    tags: tuple[str, ...]
    size: str
    region: str
    hourly_price: Decimal | None
    ip_address: str | None
    created_at: datetime | None


class _Api(digitalocean.Manager):
    """The library's client, which remembers its last answer and never waits for ever."""

    answer: requests.Response | None = None
    timeout: float = 15.0

    def get_timeout(self) -> float:
        return self.timeout

    def _BaseAPI__perform_request(self, *args: Any, **kwargs: Any) -> requests.Response:
        self.answer = None
        perform = digitalocean.baseapi.BaseAPI._BaseAPI__perform_request
        self.answer = perform(self, *args, **kwargs)
        return self.answer


class Cloud:
    """The calls we make. Each raises Unavailable (try later; for `create` and `destroy` it may
    have worked all the same), NoCapacity (the account is full) or Refused."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._local = threading.local()

    def droplets(self, *, name: str = "") -> list[Droplet]:
        """All droplets of this installation, or those with this name. Complete, or an error:
        never infer from a list alone that a droplet is gone."""
        filters = {"name": name} if name else {"tag_name": self._config.tag}
        found: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            data = self._call("droplets/", params={**filters, "page": page, "per_page": PER_PAGE})
            found += data["droplets"]
            if len(found) >= data["meta"]["total"] or not data["droplets"]:
                break
        if len(found) != data["meta"]["total"]:
            raise Unavailable(f"the list has {len(found)} of {data['meta']['total']} droplets")
        return [_droplet(item) for item in found]

    def droplet(self, provider_id: str) -> Droplet | None:
        """A live read of one; None when DigitalOcean says that it does not exist."""
        data = self._call(f"droplets/{int(provider_id)}", missing_is_none=True)
        return data and _droplet(data["droplet"])

    def create(self, name: str, user_data: str) -> Droplet:
        """Ask for one. On Unavailable look for the name before asking again."""
        config = self._config
        wanted = {
            "name": name,
            "region": config.region,
            "size": config.size,
            "image": config.image,
            "ssh_keys": list(config.ssh_keys),
            "tags": [config.tag],
            "user_data": user_data,
        }
        data = self._call("droplets/", type=digitalocean.baseapi.POST, params=wanted)
        return _droplet(data["droplet"])

    def destroy(self, provider_id: str) -> None:
        """Ask for its end; already gone is success."""
        delete = digitalocean.baseapi.DELETE
        self._call(f"droplets/{int(provider_id)}", type=delete, missing_is_none=True)

    def droplet_limit(self) -> int:
        return int(self._call("account/")["account"]["droplet_limit"])

    def sizes(self) -> dict[str, Decimal]:
        """USD an hour by slug."""
        data = self._call("sizes/", params={"page": 1, "per_page": PER_PAGE})
        return {size["slug"]: Decimal(str(size["price_hourly"])) for size in data["sizes"]}

    def _api(self) -> _Api:
        if not hasattr(self._local, "api"):
            config = self._config
            api = _Api(token=config.api_token, end_point=config.endpoint)
            api.timeout = config.request_timeout
            self._local.api = api
        return self._local.api  # type: ignore[no-any-return]

    def _call(self, path: str, *, missing_is_none: bool = False, **kwargs: Any) -> Any:
        api = self._api()
        try:
            return api.get_data(path, **kwargs)
        except digitalocean.NotFoundError:
            if missing_is_none:
                return None
            raise Refused(f"DigitalOcean knows no {path}") from None
        except (digitalocean.Error, requests.RequestException, LookupError, TypeError) as error:
            raise _reaction(api.answer, error) from None


def _reaction(answer: requests.Response | None, error: Exception) -> BackendError:
    """One error class per reaction, from the answer that the library hides."""
    if answer is None:
        return Unavailable(f"no answer from DigitalOcean ({type(error).__name__})")
    message = f"DigitalOcean answered {answer.status_code}: {error}"
    if answer.status_code == 429:
        return Unavailable(message, retry_after=_seconds(answer.headers.get("retry-after")))
    if answer.status_code == 422 and "limit" in str(error).lower():
        return NoCapacity(message)
    if 400 <= answer.status_code < 500:
        return Refused(message)
    return Unavailable(message)


def surely_undone(error: BackendError) -> bool:
    """Whether a failed `create` certainly made nothing: DigitalOcean answered, and said no."""
    return not isinstance(error, Unavailable) or error.retry_after is not None


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 1.0


def _droplet(item: dict[str, Any]) -> Droplet:
    public = [net for net in item["networks"]["v4"] if net.get("type") == "public"]
    price = (item.get("size") or {}).get("price_hourly")
    return Droplet(
        provider_id=str(item["id"]),
        name=item["name"],
        status=item["status"],
        tags=tuple(item.get("tags") or ()),
        size=item.get("size_slug") or "",
        region=(item.get("region") or {}).get("slug", ""),
        hourly_price=None if price is None else Decimal(str(price)),
        ip_address=public[0]["ip_address"] if public else None,
        created_at=parse_datetime(item["created_at"]) if item.get("created_at") else None,
    )

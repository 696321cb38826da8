"""Lists as DigitalOcean cuts them into pages: 20 a page unless asked otherwise, 200 at most."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from .wire import Request, Response

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 200


def page_of(
    request: Request, key: str, items: Sequence[dict[str, Any]], *, total: int | None = None
) -> Response:
    """`{key: […], links: {pages}, meta: {total}}`. Asking for more than 200 a page gets 200.

    `total` may lie about the number of items.
    """
    page = request.number("page", 1)
    per_page = min(request.number("per_page", DEFAULT_PER_PAGE), MAX_PER_PAGE)
    last = max(1, -(-len(items) // per_page))
    shown = list(items[(page - 1) * per_page : page * per_page])
    pages = _pages(request, page, per_page, last)
    return Response(
        body={
            key: shown,
            "links": {"pages": pages} if pages else {},
            "meta": {"total": len(items) if total is None else total},
        }
    )


def _pages(request: Request, page: int, per_page: int, last: int) -> dict[str, str]:
    kept = {k: v for k, v in request.query.items() if k not in ("page", "per_page")}

    def link(number: int) -> str:
        query = urlencode({"page": number, "per_page": per_page} | kept)
        return f"{request.base_url}{request.path}?{query}"

    numbers: dict[str, int] = {}
    if page > 1:
        numbers |= {"first": 1, "prev": min(page - 1, last)}
    if page < last:
        numbers |= {"next": page + 1, "last": last}
    return {name: link(number) for name, number in numbers.items()}

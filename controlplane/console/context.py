"""What every page of the console needs."""

from typing import Any

from django.http import HttpRequest

from dispatch import backends


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The navigation entries that the backends bring."""
    entries = backends.entries().values()
    return {"backend_navigation": [item for entry in entries for item in entry.navigation]}

"""What every page of the console needs."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from dispatch import backends
from dispatch.backends import NavigationEntry

OVERVIEW = NavigationEntry(title="Overview", url_name="console:overview")
TASKS = NavigationEntry(title="Tasks", url_name="console:tasks")
COMPARISON = NavigationEntry(title="Comparison", url_name="console:comparison")
READINESS = NavigationEntry(title="Readiness", url_name="console:readiness")
ROLLOUT = NavigationEntry(title="Rollout", url_name="console:rollout")


@dataclass(frozen=True, kw_only=True)
class Link:
    title: str
    url: str
    current: bool


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The navigation, with the entries that the backends bring, and the zone of the times."""
    brought = [item for entry in backends.entries().values() for item in entry.navigation]
    entries = [OVERVIEW, TASKS, *brought, COMPARISON, READINESS, ROLLOUT]
    return {
        "navigation": [_link(entry, request.path) for entry in entries],
        "zone": settings.CONSOLE_TIME_ZONE,
    }


def _link(entry: NavigationEntry, path: str) -> Link:
    url = reverse(entry.url_name)
    current = path == url if entry is OVERVIEW else path.startswith(url)
    return Link(title=entry.title, url=url, current=current)

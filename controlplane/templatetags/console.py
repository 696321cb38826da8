"""How the console writes times, durations, states, weights and money."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

A_TASK = re.compile(r"\bTask ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
DASH = mark_safe('<span class="none" title="not yet, or not known">–</span>')

# A sign beside the word, so that a state can be told apart without its colour.
SIGNS = {
    "queued": "○",
    "waiting": "○",
    "provisioning": "○",
    "assigned": "◔",
    "starting": "◔",
    "running": "◐",
    "busy": "◐",
    "idle": "●",
    "passed": "✓",
    "ok": "✓",
    "failed": "✗",
    "errored": "!",
    "error": "!",
    "lost": "!",
    "late": "!",
    "unavailable": "!",
    "cancelled": "⊘",
    "retired": "⊘",
    "draining": "↓",
    "stopping": "↓",
    "warning": "!",
}


@register.simple_tag
def badge(state: str, text: str = "") -> SafeString:
    """A state as a coloured word with its sign; `text` replaces the word."""
    words = text or state.replace("_", " ")
    sign = SIGNS.get(state, "•")
    return format_html(
        '<span class="badge badge-{}"><span aria-hidden="true">{}</span> {}</span>',
        state, sign, words,
    )  # fmt: skip


@register.filter
def spell(value: float | timedelta | None) -> SafeString | str:
    """A duration in seconds: 420 ms, 12.3 s, 3 min 05 s, 2 h 05 min, 3 d 4 h."""
    if value is None:
        return DASH
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@register.filter
def tick(seconds: float) -> str:
    """A round number of seconds, short: 0.5 s, 30 s, 5 min, 2 h."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:.3g} s"


@register.filter
def when(moment: datetime | None) -> SafeString:
    """A moment to the second in the console's zone; the machine-readable one beside it."""
    if moment is None:
        return DASH
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(), f"{local:%Y-%m-%d %H:%M:%S.%f %Z}", f"{local:%Y-%m-%d %H:%M:%S}",
    )  # fmt: skip


@register.filter
def plain_time(moment: datetime) -> str:
    """A moment in the console's zone where no tag may stand, as in the title of a picture."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"


@register.filter
def ago(moment: datetime | None) -> SafeString:
    """How long ago, with the moment as its title."""
    if moment is None:
        return DASH
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{} ago</time>',
        moment.isoformat(), f"{local:%Y-%m-%d %H:%M:%S %Z}", spell(timezone.now() - moment),
    )  # fmt: skip


@register.filter
def age(moment: datetime | None) -> timedelta | None:
    """The time since then."""
    return None if moment is None else timezone.now() - moment


@register.filter
def after(end: datetime | None, start: datetime | None) -> timedelta | None:
    """The time from start to end."""
    return None if end is None or start is None else end - start


@register.filter
def clock(moment: datetime | None) -> SafeString:
    """The time of day to the millisecond, for lists within one day or so."""
    if moment is None:
        return DASH
    local = timezone.localtime(moment)
    text = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(), f"{local:%Y-%m-%d %H:%M:%S.%f %Z}", text,
    )  # fmt: skip


@register.filter
def weight(value: int | None) -> SafeString | str:
    """A weight or bucket in thousandths of a percent: 12.345 %."""
    return DASH if value is None else f"{value / 1000:.3f} %"


@register.filter
def percent_of(part: float, whole: float) -> SafeString | str:
    """A share: 12.5 %; a dash where there is no whole."""
    return f"{part * 100 / whole:.1f} %" if whole else DASH


@register.filter
def usd(value: Decimal | float | None) -> SafeString | str:
    """US dollars: two digits from a dollar on, four below."""
    if value is None:
        return DASH
    return f"${value:,.2f}" if value >= 1 else f"${value:.4f}"


@register.filter
def ending(name: str) -> str:
    """A long name's last characters, which tell it from others."""
    return name if len(name) <= 24 else f"…{name[-12:]}"


@register.filter
def words(value: str) -> str:
    """A name from the code as words: agent_lost, task.running."""
    return value.replace("_", " ")


@register.filter
def linked(text: str) -> SafeString:
    """A sentence in which each Task that it names is a link to its page."""
    return mark_safe(A_TASK.sub(_link, conditional_escape(text)))  # all else is escaped


def _link(found: re.Match[str]) -> str:
    url = reverse("console:task", args=[found[1]])
    return format_html('<a href="{}">Task {}</a>', url, found[1])


@register.filter
def pairs(detail: Any) -> list[tuple[str, str]]:
    """The facts of an event, without what the page says elsewhere."""
    if not isinstance(detail, dict):
        return [("detail", str(detail))] if detail else []
    hidden = {"attempt"}
    return [
        (words(str(key)), str(value))
        for key, value in detail.items()
        if key not in hidden and value not in (None, "", [], {})
    ]

"""The weight: set with a reason, and the history of who set it and why."""

from decimal import Decimal

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from dispatch import routing
from dispatch.models import TrafficSplit
from dispatch.operators import OperatorRequest, actor_of, operator_page
from dispatch.rollout import WeightRefused, set_weight

SHOWN_ENTRIES = 100


class WeightForm(forms.Form):
    """In percent, as people say it; stored in thousandths of a percent."""

    weight = forms.DecimalField(
        label="Weight in percent",
        min_value=0,
        max_value=100,
        decimal_places=3,
        help_text="Share of new suite runs that go to the new backend: 0 to 100, "
        "with up to three decimals.",
        widget=forms.NumberInput(attrs={"step": "0.001", "inputmode": "decimal"}),
    )
    reason = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Kept for ever beside the change.",
        error_messages={"required": "Say why the weight changes: the reason is empty."},
    )


@require_http_methods(["GET", "POST"])
@operator_page
def rollout(request: OperatorRequest) -> HttpResponse:
    split = routing.current_split()
    form = WeightForm(request.POST or None, initial={"weight": _percent(split.weight)})
    if request.method == "POST" and form.is_valid() and _set(request, form):
        return redirect("console:rollout")
    context = {
        "form": form,
        "split": split,
        "missing": [name for name in settings.ROLLOUT.values() if name not in settings.BACKENDS],
        "history": TrafficSplit.objects.select_related("rollout").order_by("-id")[:SHOWN_ENTRIES],
    }
    return render(request, "console/rollout.html", context, status=422 if form.errors else 200)


def _percent(weight: int) -> Decimal:
    return (Decimal(weight) / 1000).quantize(Decimal("0.001")).normalize()


def _set(request: OperatorRequest, form: WeightForm) -> bool:
    weight = int(form.cleaned_data["weight"] * 1000)
    reason = form.cleaned_data["reason"]
    try:
        split = set_weight(weight, actor=actor_of(request), reason=reason)
    except WeightRefused as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        return False
    messages.success(request, f"The weight is {split} now. It holds for new suite runs.")
    return True

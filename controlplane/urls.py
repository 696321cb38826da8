"""Where everything is mounted. Backends bring their own addresses through their entries."""

from django.contrib import admin
from django.urls import include, path

from controlplane import operations
from dispatch import backends

urlpatterns = [
    path("livez", operations.livez, name="livez"),
    path("admin/", admin.site.urls),
    *[path("", include(e.agent_urls)) for e in backends.entries().values() if e.agent_urls],
    *[path("", include(e.console_urls)) for e in backends.entries().values() if e.console_urls],
    path("api/v1/", include("dispatch.api.urls")),
]

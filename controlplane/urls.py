"""Where everything is mounted. Backends bring their own addresses through their entries."""

from django.contrib import admin
from django.urls import include, path

from controlplane import operations
from dispatch import backends

urlpatterns = [
    path("livez", operations.livez, name="livez"),
    path("readyz", operations.readyz, name="readyz"),
    path("healthz/loops", operations.loops, name="loops"),
    path("metrics", operations.metrics, name="metrics"),
    path("", include("dispatch.agent_api.urls")),
    path("admin/", admin.site.urls),
    path("", include("controlplane.console.urls")),
    *[path("", include(e.agent_urls)) for e in backends.entries().values() if e.agent_urls],
    *[path("", include(e.console_urls)) for e in backends.entries().values() if e.console_urls],
    path("api/v1/", include("dispatch.api.urls")),
]

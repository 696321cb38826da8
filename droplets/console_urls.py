"""The addresses of the droplets' pages in the console."""

from django.urls import path

from droplets import pages

app_name = "droplets"

urlpatterns = [
    path("droplets/", pages.pool, name="pool"),
    path("droplets/drain/", pages.drain_pool, name="drain-pool"),
    path("droplets/<uuid:worker_id>/", pages.worker, name="worker"),
    path("droplets/<uuid:worker_id>/drain/", pages.drain, name="drain"),
    path("droplets/<uuid:worker_id>/decommission/", pages.decommission, name="decommission"),
]

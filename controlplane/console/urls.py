"""The console's addresses. The backends bring theirs through their entries."""

from django.urls import path

from controlplane.console import (
    access,
    compare,
    logs,
    overview,
    readiness,
    rollout,
    task_list,
    task_page,
)

app_name = "console"

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("login/", access.login, name="login"),
    path("logout/", access.logout, name="logout"),
    path("webhooks/<uuid:webhook_id>/redeliver/", overview.redeliver, name="redeliver"),
    path("tasks/", task_list.task_list, name="tasks"),
    path("tasks/<uuid:task_id>/", task_page.task_page, name="task"),
    path("tasks/<uuid:task_id>/cancel/", task_page.cancel, name="cancel"),
    path("tasks/<uuid:task_id>/logs/<int:number>/<path:name>", logs.log, name="log"),
    path("tasks/<uuid:task_id>/artifacts/<int:artifact_id>/", task_page.artifact, name="artifact"),
    path("comparison/", compare.compare, name="comparison"),
    path("readiness/", readiness.readiness, name="readiness"),
    path("rollout/", rollout.rollout, name="rollout"),
]

"""The dispatch API. Mount it last: its last line answers for every address that is not there."""

from django.urls import path, re_path

from dispatch.api import views

urlpatterns = [
    path("schema", views.Schema.as_view()),
    path("tasks", views.Tasks.as_view()),
    path("tasks/<uuid:task_id>", views.OneTask.as_view()),
    path("tasks/<uuid:task_id>/cancel", views.Cancel.as_view()),
    path("tasks/<uuid:task_id>/events", views.Events.as_view()),
    path("tasks/<uuid:task_id>/logs", views.Logs.as_view()),
    path("tasks/<uuid:task_id>/logs/<str:stream>", views.Log.as_view()),
    path("tasks/<uuid:task_id>/results", views.Results.as_view()),
    path("tasks/<uuid:task_id>/artifacts/<str:name>", views.OneArtifact.as_view()),
    path("tasks/<uuid:task_id>/webhooks", views.TaskWebhooks.as_view()),
    path("suite_runs", views.SuiteRuns.as_view()),
    path("webhooks", views.Webhooks.as_view()),
    path("webhooks/<uuid:webhook_id>/redeliver", views.Redeliver.as_view()),
    path("rollout", views.Traffic.as_view()),
    path("rollout/weight", views.Weight.as_view()),
    path("readiness", views.Readiness.as_view()),
    re_path("", views.Nowhere.as_view()),
]

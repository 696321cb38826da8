"""The dispatch API. Mount it last: its last line answers for every address that is not there."""

from django.urls import path, re_path

from dispatch.api import views

urlpatterns = [
    path("tasks", views.Tasks.as_view()),
    path("suite_runs", views.SuiteRuns.as_view()),
    re_path("", views.Nowhere.as_view()),
]

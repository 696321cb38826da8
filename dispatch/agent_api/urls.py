from django.urls import path, re_path

from dispatch.agent_api import reports, views

BASE = "api/agent/v1/assignments/<uuid:assignment_id>/"

urlpatterns = [
    path(f"{BASE}claim", views.claim),
    path(f"{BASE}heartbeat", views.heartbeat),
    path(f"{BASE}git-token", views.git_token),
    path(f"{BASE}events", views.events),
    path(f"{BASE}logs/<str:stream>", reports.logs),
    path(f"{BASE}results", reports.results),
    path(f"{BASE}artifacts", reports.artifacts),
    path(f"{BASE}finish", reports.finish),
    re_path("^api/agent/", views.nowhere),
]

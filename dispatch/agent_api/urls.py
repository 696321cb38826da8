from django.urls import path, re_path

from dispatch.agent_api import views

BASE = "api/agent/v1/assignments/<uuid:assignment_id>/"

urlpatterns = [
    path(f"{BASE}claim", views.claim),
    path(f"{BASE}heartbeat", views.heartbeat),
    path(f"{BASE}git-token", views.git_token),
    path(f"{BASE}events", views.events),
    path(f"{BASE}logs/<str:stream>", views.logs),
    path(f"{BASE}results", views.results),
    path(f"{BASE}artifacts", views.artifacts),
    path(f"{BASE}finish", views.finish),
    re_path("^api/agent/", views.nowhere),
]

"""The bare views, and after them everything of the product."""

from django.urls import path

from controlplane.urls import urlpatterns as ours
from tests.bench import views

urlpatterns = [
    path("bench/notes", views.CreateNote.as_view()),
    path("bench/nothing", views.nothing),
    *ours,
]

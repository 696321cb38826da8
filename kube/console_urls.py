"""The addresses of the Kubernetes backend's pages in the console."""

from django.urls import path, re_path

from kube import pages

app_name = "kube"

# What an Assignment is called here: its Job's name and UID.
EXTERNAL_ID = r"(?P<external_id>task-[0-9a-f-]{36}-a[0-9]{1,4}/[^/]+)"

urlpatterns = [
    path("kubernetes/", pages.jobs, name="jobs"),
    re_path(rf"^kubernetes/{EXTERNAL_ID}/$", pages.job, name="job"),
]

"""The product's settings, with the bare views that it is compared with added."""

from controlplane.settings import *  # noqa: F403
from controlplane.settings import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "tests.bench"]
ROOT_URLCONF = "tests.bench.urls"

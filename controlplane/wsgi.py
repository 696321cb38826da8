import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
application = get_wsgi_application()

# What was loaded stays: Python's collector need not look through it while somebody waits.
gc.collect()
gc.freeze()

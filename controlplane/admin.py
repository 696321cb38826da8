"""What does not belong in Django's admin: django-q2's tables.

Whoever may write a Schedule there may run any function of any module; and one malformed row
stops all of them.
"""

import django_q.admin  # noqa: F401  (it registers these when it is imported)
from django.contrib import admin
from django_q.models import Failure, OrmQ, Schedule, Success

for model in (Schedule, Success, Failure, OrmQ):
    if admin.site.is_registered(model):
        admin.site.unregister(model)

admin.site.site_header = "Switchyard records"
admin.site.site_title = "Switchyard"
admin.site.index_title = "Records, to be looked at"
admin.site.site_url = "/"

"""Logging in and out. Operators are Django's staff users: `manage.py create-admin`."""

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView

login = LoginView.as_view(
    template_name="console/login.html",
    authentication_form=AdminAuthenticationForm,
    redirect_authenticated_user=True,
)
logout = LogoutView.as_view()

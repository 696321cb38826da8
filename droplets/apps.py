from django.apps import AppConfig


class DropletsConfig(AppConfig):
    name = "droplets"
    default_auto_field = "django.db.models.BigAutoField"

from django.apps import AppConfig


class KubeConfig(AppConfig):
    name = "kube"
    default_auto_field = "django.db.models.BigAutoField"

from django.apps import AppConfig


class ControlPlaneConfig(AppConfig):
    name = "controlplane"

    def ready(self) -> None:
        from controlplane import checks  # noqa: F401  (registers the system checks)

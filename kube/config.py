"""The Kubernetes backend's settings, read from the environment; docs/settings.md explains each."""

from dataclasses import dataclass, field
from functools import cache

from dispatch import env
from kube.classes import classes
from kube.manifest.settings import ManifestSettings
from kube.reading import Grace


@dataclass(frozen=True, kw_only=True)
class Config:
    """Times are seconds. An empty `kubeconfig` means the ServiceAccount of our own pod, an empty
    `registry_url` that we reach the registry by the name that images have."""

    kubeconfig: str
    registry: str
    registry_url: str
    registry_username: str
    registry_password: str = field(repr=False)
    registry_ca_file: str
    cache: bool
    build_once: bool
    image_hours: float
    image_patience: float
    limit: int
    timeout: float
    calls_per_second: float
    relist: float
    watch_silence: float
    silence: float
    log_every: float
    leftovers_every: float
    grace: Grace
    manifest: ManifestSettings


def _grace() -> Grace:
    return Grace(
        pull=env.number("SWITCHYARD_KUBE_PULL_GRACE_SECONDS", 60, least=0),
        no_pod=env.number("SWITCHYARD_KUBE_NO_POD_GRACE_SECONDS", 30, least=0),
        unschedulable=env.number("SWITCHYARD_KUBE_UNSCHEDULABLE_GRACE_SECONDS", 300, least=0),
        scale_up=env.number("SWITCHYARD_KUBE_SCALE_UP_GRACE_SECONDS", 600, least=0),
        set_up=env.number("SWITCHYARD_KUBE_SET_UP_GRACE_SECONDS", 120, least=0),
        config=env.number("SWITCHYARD_KUBE_CONFIG_GRACE_SECONDS", 15, least=0),
        crashes=env.integer("SWITCHYARD_KUBE_CRASHES", 3, least=1),
        reported=env.number("SWITCHYARD_KUBE_REPORT_GRACE_SECONDS", 30, least=0),
    )


def _manifest() -> ManifestSettings:
    base_url = env.raw("SWITCHYARD_BASE_URL", "http://127.0.0.1:8000")
    return ManifestSettings(
        namespace=env.raw("SWITCHYARD_KUBE_NAMESPACE", "switchyard-workers"),
        installation=env.raw("SWITCHYARD_KUBE_INSTALLATION", "default"),
        control_plane_url=env.raw("SWITCHYARD_KUBE_AGENT_API_URL", base_url).rstrip("/"),
        agent_image=env.raw("SWITCHYARD_KUBE_AGENT_IMAGE", "switchyard/agent:latest"),
        builder_image=env.raw(
            "SWITCHYARD_KUBE_BUILDER_IMAGE",
            "ghcr.io/osscontainertools/kaniko:v1.28.3-debug",
        ),
        classes=classes(),
        registry_insecure=env.flag("SWITCHYARD_KUBE_REGISTRY_INSECURE", False),
        taint=env.raw("SWITCHYARD_KUBE_NODE_TAINT", ""),
        runtime_class=env.raw("SWITCHYARD_KUBE_RUNTIME_CLASS", ""),
        dns_policy=env.raw("SWITCHYARD_KUBE_DNS_POLICY", "ClusterFirst"),
        service_patience=env.integer("SWITCHYARD_KUBE_SERVICE_PATIENCE_SECONDS", 180, least=1),
        queue_allowance=env.integer("SWITCHYARD_KUBE_QUEUE_ALLOWANCE_SECONDS", 900, least=1),
        lost_node_toleration=env.integer("SWITCHYARD_KUBE_LOST_NODE_SECONDS", 60),
        time_to_live=env.integer("SWITCHYARD_KUBE_TIME_TO_LIVE_SECONDS", 3600, least=1),
    )


@cache
def config() -> Config:
    """Read once per process. Raises `env.EnvError` naming the variable that is wrong."""
    return Config(
        kubeconfig=env.raw("SWITCHYARD_KUBECONFIG", ""),
        registry=env.raw("SWITCHYARD_KUBE_REGISTRY", "registry.example.com/switchyard"),
        registry_url=env.raw("SWITCHYARD_KUBE_REGISTRY_URL", "").rstrip("/"),
        registry_username=env.raw("SWITCHYARD_KUBE_REGISTRY_USERNAME", ""),
        registry_password=env.raw("SWITCHYARD_KUBE_REGISTRY_PASSWORD", ""),
        registry_ca_file=env.raw("SWITCHYARD_KUBE_REGISTRY_CA_FILE", ""),
        cache=env.flag("SWITCHYARD_KUBE_BUILD_CACHE", True),
        build_once=env.flag("SWITCHYARD_KUBE_BUILD_ONCE", True),
        image_hours=env.number("SWITCHYARD_KUBE_IMAGE_HOURS", 24, least=0.1),
        image_patience=env.number("SWITCHYARD_KUBE_IMAGE_PATIENCE_SECONDS", 60, least=0),
        limit=env.integer("SWITCHYARD_KUBE_LIMIT", 100, most=10_000),
        timeout=env.number("SWITCHYARD_KUBE_TIMEOUT_SECONDS", 10, least=0.1),
        calls_per_second=env.number("SWITCHYARD_KUBE_CALLS_PER_SECOND", 50, least=1),
        relist=env.number("SWITCHYARD_KUBE_RELIST_SECONDS", 30, least=0.2),
        watch_silence=env.number("SWITCHYARD_KUBE_WATCH_SILENCE_SECONDS", 90, least=0.5),
        silence=env.number("SWITCHYARD_KUBE_SILENCE_SECONDS", 90, least=40),
        log_every=env.number("SWITCHYARD_KUBE_SERVICE_LOG_SECONDS", 5, least=0.2),
        leftovers_every=env.number("SWITCHYARD_KUBE_LEFTOVERS_SECONDS", 60, least=0.5),
        grace=_grace(),
        manifest=_manifest(),
    )

"""Every key of the Compose specification: read, left aside with a note, or refused with a remedy.

A refused key that says nothing or no (`privileged: false`) is as good as absent.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from kube.planner.problems import quote
from kube.planner.reader import Reader

NO_EFFECT = "it changes nothing here"
TUNING = "it is not mapped; limits of memory and CPU are"
OWN_NETWORK = "the services of a Task share one network of their own"

READ = frozenset(
    ("build", "command", "container_name", "cpus", "depends_on", "deploy", "entrypoint")
    + ("env_file", "environment", "expose", "extra_hosts", "healthcheck", "hostname", "image")
    + ("links", "mem_limit", "mem_reservation", "networks", "platform", "ports", "profiles")
    + ("read_only", "scale", "shm_size", "stop_grace_period", "tmpfs", "user", "volumes")
    + ("working_dir",)
)

IGNORED = {
    **dict.fromkeys(
        ("annotations", "attach", "develop", "domainname", "init", "labels", "label_file")
        + ("logging", "pull_refresh_after", "stdin_open", "tty"),
        NO_EFFECT,
    ),
    **dict.fromkeys(
        ("blkio_config", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota")
        + ("cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpuset", "mem_swappiness")
        + ("memswap_limit", "oom_kill_disable", "oom_score_adj", "pids_limit", "storage_opt"),
        TUNING,
    ),
    "cap_drop": "services keep the rights that every container has",
    "pull_policy": "images that are there already are not pulled again",
    "restart": "a service that ends is started again",
    "stop_signal": "services are asked to end by the signal that their image names",
    "ulimits": "limits are those of the node",
}

_HOST = "a service sees nothing of the node it runs on"
_POWER = "no service gets more rights than any other container"
_FILES = "put it into a file of the repository and bind that below `volumes`, or build it in"

REFUSED = {
    "cap_add": (_POWER, "take it out, or use an image that runs without"),
    "cgroup": (_HOST, "take it out"),
    "cgroup_parent": (_HOST, "take it out"),
    "configs": ("compose's configs are not provided", _FILES),
    "credential_spec": ("it is for Windows", "take it out"),
    "device_cgroup_rules": (_HOST, "take it out"),
    "devices": (_HOST, "take it out, or use a stand-in for the device"),
    "dns": (OWN_NETWORK, "take it out, or name the hosts below `extra_hosts`"),
    "dns_opt": (OWN_NETWORK, "take it out"),
    "dns_search": (OWN_NETWORK, "take it out, and write host names out"),
    "extends": ("services are not put together from parts", "use a YAML anchor, or write it out"),
    "external_links": (OWN_NETWORK, "make it a service of this file"),
    "gpus": ("there are no such devices", "take it out"),
    "group_add": ("groups cannot be added to one service", "give `user` as UID:GID"),
    "ipc": ("each service has its own IPC", "take it out; `shm_size` sets the shared memory"),
    "isolation": ("it is for Windows", "take it out"),
    "mac_address": (OWN_NETWORK, "take it out"),
    "models": ("models are not provided", "run the model as a service"),
    "network_mode": (OWN_NETWORK, "take it out; services reach each other by name or localhost"),
    "pid": (_HOST, "take it out"),
    "post_start": ("hooks are not run", "do it in the service's command, or in the pre script"),
    "pre_start": ("hooks are not run", "make it a service that others wait for"),
    "pre_stop": ("hooks are not run", "take it out"),
    "privileged": (_POWER, "take it out, or use an image that runs without"),
    "provider": ("services come from images alone", "give it an `image`"),
    "runtime": ("the runtime is the node's", "take it out"),
    "secrets": (
        "compose's secrets are not provided",
        "use the Task's variables, by `env_file: .env` or `${NAME}` below `environment`",
    ),
    "security_opt": (_POWER, "take it out"),
    "sysctls": (_HOST, "take it out, or set what the program itself offers"),
    "use_api_socket": ("there is no Docker here", "take it out"),
    "userns_mode": (_HOST, "take it out"),
    "uts": (_HOST, "take it out"),
    "volumes_from": ("volumes are not taken from services", "name the volumes in both services"),
}


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What one kind of mapping may hold."""

    read: Collection[str]
    ignored: Mapping[str, str]
    refused: Mapping[str, tuple[str, str]]


SERVICE = Keys(read=READ, ignored=IGNORED, refused=REFUSED)
TOP = Keys(
    read=frozenset(("services", "volumes", "networks")),
    ignored={
        "configs": "no service may use them",
        "models": "no service may use them",
        "name": NO_EFFECT,
        "secrets": "no service may use them",
        "version": NO_EFFECT,
    },
    refused={
        "include": ("files are not put together from parts", "write the services into this file"),
    },
)
BUILD = Keys(
    read=frozenset(("args", "context", "dockerfile", "platforms", "target")),
    ignored=dict.fromkeys(
        ("cache_from", "cache_to", "isolation", "labels", "no_cache", "provenance", "pull")
        + ("sbom", "shm_size", "tags", "ulimits"),
        "the builder has its own cache, names and limits",
    ),
    refused={
        "additional_contexts": ("there is one context", "copy from it, or from a named image"),
        "dockerfile_inline": ("the Dockerfile is read as a file", "put it into a file"),
        "entitlements": (_POWER, "take it out"),
        "extra_hosts": ("names are resolved by DNS alone", "take it out"),
        "network": ("the build has the network of its pod", "take it out"),
        "privileged": (_POWER, "take it out"),
        "secrets": ("the build is given no secrets", "give a value below `args`"),
        "ssh": ("the build is given no keys", "fetch by https, with a token below `args`"),
    },
)
HEALTHCHECK = Keys(
    read=("disable", "interval", "retries", "start_interval", "start_period", "test", "timeout"),
    ignored={},
    refused={},
)
DEPLOY = Keys(
    read=("replicas", "resources"),
    ignored=dict.fromkeys(
        ("endpoint_mode", "labels", "mode", "placement", "restart_policy", "rollback_config")
        + ("update_config",),
        NO_EFFECT,
    ),
    refused={},
)
LIMITS = Keys(read=("cpus", "memory"), ignored={"pids": TUNING}, refused={})
RESERVATIONS = Keys(
    read=("memory",),
    ignored={"cpus": TUNING, "generic_resources": TUNING},
    refused={"devices": REFUSED["gpus"]},
)
VOLUME = Keys(
    read=("driver", "driver_opts", "external"),
    ignored={"labels": NO_EFFECT, "name": NO_EFFECT},
    refused={},
)
NETWORK = Keys(
    read=("external",),
    ignored=dict.fromkeys(
        ("attachable", "driver", "driver_opts", "enable_ipv4", "enable_ipv6", "internal", "ipam")
        + ("labels", "name"),
        OWN_NETWORK,
    ),
    refused={},
)
ATTACHMENT = Keys(
    read=("aliases",),
    ignored=dict.fromkeys(
        ("driver_opts", "gw_priority", "interface_name", "priority"),
        OWN_NETWORK,
    ),
    refused=dict.fromkeys(
        ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address"),
        (OWN_NETWORK, "take it out, and reach the service by its name"),
    ),
)


def check(reader: Reader, keys: Keys) -> None:
    """Notes what is left aside, and tells of what cannot be and of what nobody knows."""
    for key in reader.content:
        if reader.findings.full:
            return
        if key in keys.read or key.startswith("x-"):
            continue
        if key in keys.ignored:
            reader.note(key, f"left aside: {keys.ignored[key]}")
        elif key not in keys.refused:
            reader.problem(key[:60], "is no key that is known here", _advice(key, keys))
        elif reader.says(key):
            message, remedy = keys.refused[key]
            reader.problem(key, message, remedy)


def _advice(key: str, keys: Keys) -> str:
    known = [*keys.read, *keys.ignored, *keys.refused]
    close = get_close_matches(key[:60], known, n=1)
    return f"did you mean {quote(close[0])}?" if close else "take it out"

"""Where things lie in the containers. Programs are told; nobody may take a place for granted."""

from typing import Any

Json = dict[str, Any]

ROOT = "/saturn"
# The folders that containers share, by the name of their volume.
FOLDERS = {name: f"{ROOT}/{name}" for name in ("bin", "ctl", "out", "steps", "checkout", "work")}
BUSYBOX, WRAPPER = f"{FOLDERS['bin']}/busybox", f"{FOLDERS['bin']}/wrapper"
SECRET, PLAN, REGISTRY, SEEDS = (
    f"{ROOT}/{name}" for name in ("secret", "plan", "registry", "seed")
)
TOKEN_FILE, ENV_FILE, PLAN_FILE = f"{SECRET}/token", f"{SECRET}/env", f"{PLAN}/plan.json"
LOGIN_FILE = f"{REGISTRY}/config.json"
HOSTS_FILE, SHARED_MEMORY = "/etc/hosts", "/dev/shm"
TERMINATION_LOG = "/dev/termination-log"

# Volumes of one file or two.
AGENT_SECRET, CLONE_SECRET = "agent-secret", "clone-secret"
PULL_LOGIN, PUSH_LOGIN = "pull-login", "push-login"
PLAN_VOLUME, HOSTS_VOLUME = "plan", "hosts"


def mount(volume: str, path: str, *, read_only: bool = False, sub_path: str = "") -> Json:
    found: Json = {"name": volume, "mountPath": path}
    if sub_path:
        found["subPath"] = sub_path
    if read_only:
        found["readOnly"] = True
    return found


def folder(name: str, *, read_only: bool = False) -> Json:
    return mount(name, FOLDERS[name], read_only=read_only)


def hosts_mount() -> Json:
    """Over the kubelet's own file, which can hold no name with an underscore."""
    return mount(HOSTS_VOLUME, HOSTS_FILE, read_only=True, sub_path="hosts")


def shared_memory(container: str) -> str:
    """The volume that is a container's /dev/shm."""
    return f"shm-{container}"


def folder_variable(name: str) -> Json:
    return variable(f"SWITCHYARD_{name.upper()}_DIR", FOLDERS[name])


def variable(name: str, value: object) -> Json:
    return {"name": name, "value": str(value)}

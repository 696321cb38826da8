"""The containers that run our own programs."""

from kube.manifest import places
from kube.manifest.places import Json, folder, folder_variable, mount, variable
from kube.manifest.request import JobRequest, Times
from kube.manifest.settings import ManifestSettings
from kube.manifest.values import escape
from kube.names import AGENT, CLONE, TOOLS

PROGRAM = ("python3", "-m", "switchyard_agent")


def tools(settings: ManifestSettings) -> Json:
    return {
        "name": TOOLS,
        "image": settings.agent_image,
        "imagePullPolicy": "IfNotPresent",
        "command": [*PROGRAM, "tools"],
        "env": [folder_variable("bin")],
        "volumeMounts": [folder("bin")],
        "resources": settings.tools.as_json(),
        "securityContext": _unprivileged(settings.agent_uid),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def agent(request: JobRequest, settings: ManifestSettings, times: Times) -> Json:
    return {
        "name": AGENT,
        "image": settings.agent_image,
        "imagePullPolicy": "IfNotPresent",
        "command": [*PROGRAM, "job"],
        "env": _agent_variables(request, settings, times),
        "volumeMounts": _agent_mounts(request),
        "resources": settings.agent.as_json(),
        "securityContext": _unprivileged(settings.agent_uid),
        "restartPolicy": "Always",
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def clone(request: JobRequest, settings: ManifestSettings, times: Times) -> Json:
    """It writes what the customer's containers run on, so it is root there as they mostly are."""
    return {
        "name": CLONE,
        "image": settings.agent_image,
        "imagePullPolicy": "IfNotPresent",
        "command": [*PROGRAM, "clone"],
        "env": _clone_variables(request, settings, times),
        "volumeMounts": [
            mount(places.CLONE_SECRET, places.SECRET, read_only=True),
            folder("ctl", read_only=True),
            folder("steps"),
            folder("checkout"),
        ],
        "resources": settings.clone.as_json(),
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _agent_mounts(request: JobRequest) -> list[Json]:
    login = [mount(places.PULL_LOGIN, places.REGISTRY, read_only=True)]
    return [
        mount(places.AGENT_SECRET, places.SECRET, read_only=True),
        mount(places.PLAN_VOLUME, places.PLAN, read_only=True),
        *(login if request.pull_login else []),
        folder("ctl"),
        folder("out", read_only=True),
        folder("steps", read_only=True),
        folder("checkout", read_only=True),
        folder("work"),
    ]


def _agent_variables(request: JobRequest, settings: ManifestSettings, times: Times) -> list[Json]:
    instance = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.uid"}}
    found = [
        *_identity(request, settings, times),
        variable("SWITCHYARD_ATTEMPT", request.attempt),
        {"name": "SWITCHYARD_INSTANCE", "valueFrom": instance},
        variable("SWITCHYARD_TIMEOUT_SECONDS", request.timeout_seconds),
        variable("SWITCHYARD_GRACE_SECONDS", times.grace),
        variable("SWITCHYARD_BUILD", int(request.builds)),
        variable("SWITCHYARD_IMAGE", request.image),
        variable("SWITCHYARD_ENV_FILE", places.ENV_FILE),
        variable("SWITCHYARD_PLAN_FILE", places.PLAN_FILE),
    ]
    if request.pull_login:
        found.append(variable("SWITCHYARD_REGISTRY_CONFIG", places.LOGIN_FILE))
    if settings.registry_insecure:
        found.append(variable("SWITCHYARD_REGISTRY_INSECURE", 1))
    names = ("ctl", "out", "steps", "checkout", "work")
    found += [folder_variable(name) for name in names]
    return found + _home("work")


def _clone_variables(request: JobRequest, settings: ManifestSettings, times: Times) -> list[Json]:
    return [
        *_identity(request, settings, times),
        variable("SWITCHYARD_CLONE_URL", escape(request.clone_url)),
        variable("SWITCHYARD_COMMIT", request.commit),
        *(folder_variable(name) for name in ("ctl", "steps", "checkout")),
        *_home("steps"),
    ]


def _identity(request: JobRequest, settings: ManifestSettings, times: Times) -> list[Json]:
    """By which the control plane knows whom it speaks to."""
    return [
        variable("SWITCHYARD_CONTROL_PLANE_URL", settings.control_plane_url.rstrip("/")),
        variable("SWITCHYARD_TASK_ID", request.task_id),
        variable("SWITCHYARD_ASSIGNMENT_ID", request.assignment_id),
        variable("SWITCHYARD_TOKEN_FILE", places.TOKEN_FILE),
        variable("SWITCHYARD_DEADLINE_SECONDS", times.deadline),
    ]


def _home(name: str) -> list[Json]:
    return [variable("HOME", places.FOLDERS[name]), variable("TMPDIR", places.FOLDERS[name])]


def _unprivileged(uid: int) -> Json:
    return {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": uid,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }

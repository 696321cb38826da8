"""The containers that run the customer's programs: services, and the one with the tests."""

import math
from collections.abc import Iterator
from dataclasses import replace

from kube.manifest import places
from kube.manifest.places import Json, folder, folder_variable, hosts_mount, mount, variable
from kube.manifest.request import JobRequest
from kube.manifest.settings import ManifestSettings, Resources
from kube.manifest.values import ContainerValues, SecretValues
from kube.manifest.volumes import memory_of
from kube.names import SEED
from kube.planner.plan import Mount, Plan, Probe, Service

# Fills volumes as Docker does: its arguments are pairs of a folder of the image and a mounted
# volume, which gets what the folder has if it is still empty. Its own name is that of the busybox.
SEED_SCRIPT = """\
empty() {
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    if [ -e "$entry" ] || [ -L "$entry" ]; then return 1; fi
  done
}
while [ "$#" -ge 2 ]; do
  if [ -d "$1" ] && empty "$2"; then "$0" cp -a "$1/." "$2/" || exit 1; fi
  shift 2
done
"""


def services(
    plan: Plan, request: JobRequest, settings: ManifestSettings, values: SecretValues
) -> Iterator[Json]:
    """In starting order, the tests last; each behind the container that fills its volumes."""
    for service in (*plan.services, plan.main):
        fills = [item for item in service.mounts if item.copies]
        if fills:
            yield _seed(service, fills, request, settings)
        if service is plan.main:
            yield _test(plan, request, settings, values)
        else:
            yield _service(plan, service, request, settings, values)


def _seed(
    service: Service, fills: list[Mount], request: JobRequest, settings: ManifestSettings
) -> Json:
    places_of = {item.target: f"{places.SEEDS}/{n}" for n, item in enumerate(fills, start=1)}
    return {
        "name": f"{SEED}{service.container}",
        **_image(service, request),
        "command": [places.BUSYBOX, "sh", "-c", SEED_SCRIPT, places.BUSYBOX],
        "args": [place for pair in places_of.items() for place in pair],
        "volumeMounts": [
            folder("bin", read_only=True),
            *(mount(item.volume, places_of[item.target]) for item in fills),
        ],
        "resources": settings.clone.as_json(),
        "securityContext": {"runAsUser": 0, "runAsGroup": 0},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _service(
    plan: Plan,
    service: Service,
    request: JobRequest,
    settings: ManifestSettings,
    values: SecretValues,
) -> Json:
    texts = values.container(service.name)
    variables = list(texts.variables(service.environment))
    words = _words(service, texts)
    probe = {"startupProbe": _probe(service.probe, texts, settings)} if service.probe else {}
    env = variables + texts.env
    return {
        "name": service.container,
        **_image(service, request),
        **words,
        **_working_dir(service),
        **_env_from(request, any(file.task_variables for file in service.env_files)),
        **({"env": env} if env else {}),
        "volumeMounts": [hosts_mount(), *_mounts(service)],
        "resources": _resources(plan, service, settings.service, settings).as_json(),
        **_security(service),
        **probe,
        **({} if service.completes else {"restartPolicy": "Always"}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _test(
    plan: Plan, request: JobRequest, settings: ManifestSettings, values: SecretValues
) -> Json:
    """The wrapper takes the place of the image's command. The reference may not exist before the
    builder has ended, so it is looked up anew."""
    service = plan.main
    texts = values.container(service.name)
    variables = list(texts.variables(service.environment))
    usual = settings.classes[request.size].test
    scale = usual.memory_limit / settings.classes[0].test.memory_limit
    return {
        "name": service.container,
        **_image(service, request),
        "command": [places.BUSYBOX, "sh", places.WRAPPER],
        **_working_dir(service),
        **_env_from(request, True),
        "env": [*variables, *_wrapper_variables()],
        "volumeMounts": [
            hosts_mount(),
            *_mounts(service),
            folder("bin", read_only=True),
            folder("ctl", read_only=True),
            folder("out"),
        ],
        "resources": _resources(plan, service, usual, settings, scale=scale).as_json(),
        **_security(service),
    }


def _wrapper_variables() -> list[Json]:
    folders = [folder_variable(name) for name in ("bin", "ctl", "out")]
    return [*folders, variable("SWITCHYARD_BUSYBOX", places.BUSYBOX)]


def _image(service: Service, request: JobRequest) -> Json:
    if service.image:
        return {"image": service.image, "imagePullPolicy": "IfNotPresent"}
    return {"image": request.image, "imagePullPolicy": "Always"}


def _words(service: Service, texts: ContainerValues) -> Json:
    """In Kubernetes `command` is the entrypoint and `args` the command. An entrypoint that compose
    clears leaves its place to the command."""
    entrypoint = texts.words("entrypoint", service.entrypoint) if service.entrypoint else []
    command = texts.words("command", service.command) if service.command else []
    if entrypoint:
        return {"command": entrypoint, **({"args": command} if command else {})}
    key = "command" if service.entrypoint else "args"
    return {key: command} if command else {}


def _working_dir(service: Service) -> Json:
    return {"workingDir": service.working_dir} if service.working_dir else {}


def _env_from(request: JobRequest, wanted: bool) -> Json:
    """The Task's variables, below whatever compose's `environment` says."""
    if not (wanted and request.variables):
        return {}
    return {"envFrom": [{"secretRef": {"name": request.variables_secret}}]}


def _mounts(service: Service) -> Iterator[Json]:
    # A folder comes before what is mounted inside it.
    for item in sorted(service.mounts, key=lambda item: item.target):
        volume = item.volume or "checkout"
        yield mount(volume, item.target, read_only=item.read_only, sub_path=item.path)
    if service.shm_bytes:
        yield mount(places.shared_memory(service.container), places.SHARED_MEMORY)


def _security(service: Service) -> Json:
    found: Json = {}
    if service.user is not None:
        found["runAsUser"] = service.user
    if service.group is not None:
        found["runAsGroup"] = service.group
    if service.read_only:
        found["readOnlyRootFilesystem"] = True
    return {"securityContext": found} if found else {}


def _resources(
    plan: Plan, service: Service, usual: Resources, settings: ManifestSettings, scale: float = 1.0
) -> Resources:
    """What compose says, else the usual. What lies in memory is counted as the container's own, so
    it comes on top where compose sets no limit. `scale`: how much larger than usual the class is;
    what ran out of the memory that compose allows would do so again in the same."""
    mounted = {item.volume for item in service.mounts}
    in_memory = sum(memory_of(item, settings) for item in plan.volumes if item.name in mounted)
    allowed, wanted = (
        int((size or 0) * scale) for size in (service.memory_bytes, service.memory_request_bytes)
    )
    limit = allowed or usual.memory_limit + service.shm_bytes + in_memory
    cpu_limit = service.cpus or usual.cpu_limit
    return replace(
        usual,
        cpu=min(usual.cpu, cpu_limit),
        cpu_limit=cpu_limit,
        memory=min(wanted or usual.memory, limit),
        memory_limit=limit,
    )


def _probe(probe: Probe, texts: ContainerValues, settings: ManifestSettings) -> Json:
    """Whatever a compose file says, a service may take a while to get ready."""
    patience = max(settings.service_patience, probe.patience)
    shell = ["/bin/sh", "-c", texts.shell("healthcheck.test", probe.shell)]
    return {
        "exec": {"command": list(probe.words) or shell},
        "periodSeconds": probe.period,
        "timeoutSeconds": probe.timeout,
        "failureThreshold": math.ceil(patience / probe.period),
    }

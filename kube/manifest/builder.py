"""The container that builds the image, with Kaniko: root in its own file system, and no more
rights than it takes to unpack and change one."""

from kube.manifest import places
from kube.manifest.places import Json, folder, folder_variable, mount, variable
from kube.manifest.request import JobRequest
from kube.manifest.settings import ManifestSettings
from kube.manifest.values import ContainerValues, SecretValues, escape
from kube.names import BUILDER
from kube.planner.plan import Build, Plan
from kube.planner.template import Template, Variable

# Those of a Task's variables that the droplets' agent hands to every build.
BUILD_ARGUMENTS = (
    "ARCH",
    "NODE_ARCH",
    "BUNDLE_GEMFILE",
    "BUNDLE_GEMS__CONTRIBSYS__COM",
    "BUNDLE_GITHUB__COM",
)
CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "SETUID",
    "SETGID",
    "SETFCAP",
    "KILL",
)
EXECUTOR, SHELL_TOOLS = "/kaniko/executor", "/busybox"
BUILDER_PATH = f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/kaniko:{SHELL_TOOLS}"
# Runs its arguments. They may replace every program of this container, so it uses builtins and the
# builder's own applets alone. As process 1 it has to hand on TERM itself; no build begins after one
# that came before there was anybody to hand it on to.
BUILD_SCRIPT = """\
log="$SWITCHYARD_STEPS_DIR/build.log" rc="$SWITCHYARD_STEPS_DIR/build.rc" asked= child= code=143
trap 'asked=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
: >"$log"
if [ -z "$asked" ]; then
  "$@" >"$log" 2>&1 &
  child=$!
  [ -z "$asked" ] || kill -TERM "$child"
  wait "$child"
  code=$?
  while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
  done
fi
"$SWITCHYARD_BUSYBOX/tail" -c 3500 "$log" >"$SWITCHYARD_TERMINATION_LOG"
echo "$code" >"$rc.part"
"$SWITCHYARD_BUSYBOX/mv" "$rc.part" "$rc"
exit "$code"
"""


def builder(
    plan: Plan, request: JobRequest, settings: ManifestSettings, values: SecretValues
) -> Json:
    """Its output goes to a file for the agent; the end of it is the termination message."""
    texts = values.container(plan.main.name)
    flags = _flags(plan.build, request, settings) + _build_arguments(plan.build, texts)
    login = [mount(places.PUSH_LOGIN, places.REGISTRY, read_only=True)]
    return {
        "name": BUILDER,
        "image": settings.builder_image,
        "imagePullPolicy": "IfNotPresent",
        "command": [f"{SHELL_TOOLS}/sh", "-c", BUILD_SCRIPT, BUILDER],
        "args": [EXECUTOR, *flags],
        "env": _variables(request) + texts.env,
        "volumeMounts": [
            *(login if request.push_login else []),
            folder("checkout", read_only=True),
            folder("steps"),
        ],
        "resources": settings.classes[request.size].builder.as_json(),
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
        },
    }


def _variables(request: JobRequest) -> list[Json]:
    found = [
        variable("HOME", "/root"),
        variable("USER", "root"),
        variable("PATH", BUILDER_PATH),
        variable("SWITCHYARD_BUSYBOX", SHELL_TOOLS),
        folder_variable("steps"),
        variable("SWITCHYARD_TERMINATION_LOG", places.TERMINATION_LOG),
    ]
    if request.push_login:
        found.append(variable("DOCKER_CONFIG", places.REGISTRY))
    return found


def _flags(build: Build, request: JobRequest, settings: ManifestSettings) -> list[str]:
    checkout, steps = places.FOLDERS["checkout"], places.FOLDERS["steps"]
    context = f"{checkout}/{build.context}".rstrip("/")
    found = [
        f"--context=dir://{context}",
        f"--dockerfile={checkout}/{build.dockerfile}",
        f"--destination={request.image}",
        f"--digest-file={steps}/digest",
        *_cache(request.cache_repository),
        "--compressed-caching=false",
        "--snapshot-mode=redo",
        "--push-retry=3",
        "--image-download-retry=3",
        "--credential-helpers=",
    ]
    if settings.registry_insecure:
        found.append(f"--insecure-registry={request.registry}")
    if build.target:
        found.append(f"--target={build.target}")
    return [escape(flag) for flag in found]


def _cache(repository: str) -> list[str]:
    if not repository:
        return ["--cache=false"]
    return ["--cache=true", f"--cache-repo={repository}", "--cache-copy-layers"]


def _build_arguments(build: Build, texts: ContainerValues) -> list[str]:
    """Compose's own, then those that every build is given where the Task has them."""
    found = []
    args = {**dict.fromkeys(BUILD_ARGUMENTS), **build.args}
    for name, template in args.items():
        if template is None and name not in texts.all.variables:
            continue
        wanted = Template((Variable(name),)) if template is None else template
        found.append(f"--build-arg={name}={texts.text(f'build.args.{name}', wanted)}")
    return found

"""The container that builds the image, with Kaniko: root in its own file system, and no more
rights than it takes to unpack and change one."""

from collections.abc import Iterator

from kube.manifest.places import (
    FOLDERS,
    PUSH_LOGIN,
    REGISTRY,
    TERMINATION_LOG,
    Json,
    folder,
    folder_variable,
    mount,
    variable,
)
from kube.manifest.request import JobRequest
from kube.manifest.settings import ManifestSettings, ResourceClass
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
CHECKOUT, STEPS = FOLDERS["checkout"], FOLDERS["steps"]
EXECUTOR, SHELL_TOOLS = "/kaniko/executor", "/busybox"
BUILDER_PATH = f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/kaniko:{SHELL_TOOLS}"
# Runs its arguments. They may replace every program of this container, so it uses builtins and the
# builder's own applets alone. As process 1 it has to hand on TERM itself; no build begins after one
# that came before there was anybody to hand it on to.
# The kubelet keeps the beginning of the message: of 12 KiB for all of the pod, as much as falls to
# each container. The last line, which tells why, has to be in it.
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
"$SWITCHYARD_BUSYBOX/tail" -c 1000 "$log" >"$SWITCHYARD_TERMINATION_LOG"
echo "$code" >"$rc.part"
"$SWITCHYARD_BUSYBOX/mv" "$rc.part" "$rc"
exit "$code"
"""


def builder(
    plan: Plan, request: JobRequest, settings: ManifestSettings, values: SecretValues
) -> Json:
    """Its output goes to a file for the agent; the end of it is the termination message."""
    texts = values.container(plan.main.name)
    places = (f"--destination={request.image}", f"--digest-file={STEPS}/digest")
    flags = [escape(flag) for flag in _flags(plan.build, request, settings, *places)]
    flags += _build_arguments(plan.build, texts)
    login = [mount(PUSH_LOGIN, REGISTRY, read_only=True)]
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
        "resources": _class(request, settings).builder.as_json(),
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
        },
    }


def what_is_built(
    plan: Plan, request: JobRequest, settings: ManifestSettings, dockerfile: str
) -> Json:
    """All that decides what is in the image, and whose it is; the same for all for whom it is the
    same. It holds secrets. Raises TaskRefused."""
    values = SecretValues(variables=request.variables, secret="").container(plan.main.name)
    arguments = {
        name: values.rendered(f"build.args.{name}", template)
        for name, template in _arguments(plan.build, values)
    }
    return {
        "account": request.account,
        "repository": request.repository,
        "clone_url": request.clone_url,
        "commit": request.commit,
        "dockerfile": dockerfile,
        "arguments": arguments,
        "builder": settings.builder_image,
        "flags": _flags(plan.build, request, settings),
    }


def _class(request: JobRequest, settings: ManifestSettings) -> ResourceClass:
    size = max(request.size, request.source.size)
    return settings.classes[min(size, len(settings.classes) - 1)]


def _variables(request: JobRequest) -> list[Json]:
    found = [
        variable("HOME", "/root"),
        variable("USER", "root"),
        variable("PATH", BUILDER_PATH),
        variable("SWITCHYARD_BUSYBOX", SHELL_TOOLS),
        folder_variable("steps"),
        variable("SWITCHYARD_TERMINATION_LOG", TERMINATION_LOG),
    ]
    if request.push_login:
        found.append(variable("DOCKER_CONFIG", REGISTRY))
    return found


def _flags(
    build: Build, request: JobRequest, settings: ManifestSettings, *places: str
) -> list[str]:
    """`places` say where the image goes. What is in the Secret is not among them."""
    context = f"{CHECKOUT}/{build.context}".rstrip("/")
    found = [
        f"--context=dir://{context}",
        f"--dockerfile={CHECKOUT}/{build.dockerfile}",
        *places,
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
    return found


def _cache(repository: str) -> list[str]:
    if not repository:
        return ["--cache=false"]
    return ["--cache=true", f"--cache-repo={repository}", "--cache-copy-layers"]


def _build_arguments(build: Build, texts: ContainerValues) -> list[str]:
    return [
        f"--build-arg={name}={texts.text(f'build.args.{name}', template)}"
        for name, template in _arguments(build, texts)
    ]


def _arguments(build: Build, texts: ContainerValues) -> Iterator[tuple[str, Template]]:
    """Those that every build is given where the Task has them, and compose's own."""
    for name, template in {**dict.fromkeys(BUILD_ARGUMENTS), **build.args}.items():
        if template is not None:
            yield name, template
        elif name in texts.all.variables:
            yield name, Template((Variable(name),))

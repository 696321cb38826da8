"""The real cluster that the demo runs its Kubernetes half on, where KUBECONFIG names one.

What has to be known of it beside that are environment variables. `make cluster` writes those of its
cluster into a file beside its kubeconfig; for any other one they are in the environment.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.samples import BASE
from sandbox.stack import Given

KUBECONFIG = "KUBECONFIG"
FILE = "demo.env"
ADDRESS, BASE_IMAGE = "SWITCHYARD_DEMO_ADDRESS", "SWITCHYARD_DEMO_BASE_IMAGE"
REGISTRY = "SWITCHYARD_KUBE_REGISTRY"
INSECURE = "SWITCHYARD_KUBE_REGISTRY_INSECURE"
AGENT, BUILDER = "SWITCHYARD_KUBE_AGENT_IMAGE", "SWITCHYARD_KUBE_BUILDER_IMAGE"
DNS_POLICY = "SWITCHYARD_KUBE_DNS_POLICY"
NEEDED = {
    REGISTRY: "a registry, HOST[:PORT]/PATH, that pods push to and nodes pull from",
    AGENT: "the image of worker_image/, which the nodes can pull",
    BUILDER: "Kaniko's image with a shell, which the nodes can pull",
    ADDRESS: "an address of this machine that pods reach",
}
# Settings of the product for this cluster begin like this. The demo has a namespace of its own.
SETTINGS = "SWITCHYARD_KUBE_"
OUR_OWN = ("SWITCHYARD_KUBE_NAMESPACE", "SWITCHYARD_KUBE_AGENT_API_URL")


class NotGiven(Exception):
    """Something has to be said of the cluster first; the message names what, and how."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """`base` is an image with Python for the samples; `settings` are the product's for it."""

    given: Given
    base: str
    settings: Mapping[str, str]


def read(environ: Mapping[str, str]) -> Ground | None:
    """None where no cluster is named. Raises NotGiven."""
    kubeconfig = environ.get(KUBECONFIG, "")
    if not kubeconfig:
        return None
    path = Path(kubeconfig)
    if not path.is_file():
        raise NotGiven(f"{KUBECONFIG}={kubeconfig}: no such file. {_without()}")
    found = {**_beside(path), **_ours(environ)}
    missing = [name for name in NEEDED if not found.get(name)]
    if missing:
        raise NotGiven(_say_missing(path, missing))
    given = Given(
        kubeconfig=path.absolute(),
        address=found[ADDRESS],
        registry=found[REGISTRY],
        agent_image=found[AGENT],
        builder_image=found[BUILDER],
        registry_insecure=found.get(INSECURE, "").lower() in ("true", "1", "yes"),
        dns_policy=found.get(DNS_POLICY, "ClusterFirst"),
    )
    settings = {name: text for name, text in found.items() if name.startswith(SETTINGS)}
    for name in OUR_OWN:
        settings.pop(name, None)
    return Ground(given=given, base=found.get(BASE_IMAGE, BASE), settings=settings)


def _beside(kubeconfig: Path) -> dict[str, str]:
    """NAME=VALUE, one a line. Raises NotGiven."""
    file = kubeconfig.parent / FILE
    if not file.exists():
        return {}
    found = {}
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        name, equals, text = line.partition("=")
        if not equals and line.strip():
            raise NotGiven(
                f"{file}, line {number}: give NAME=VALUE. `make cluster` writes it anew."
            )
        found[name.strip()] = text.strip()
    return _ours(found)


def _ours(environ: Mapping[str, str]) -> dict[str, str]:
    wanted = {name: text for name, text in environ.items() if name.startswith(SETTINGS)}
    others = {name: environ[name] for name in (ADDRESS, BASE_IMAGE) if name in environ}
    return wanted | others


def _say_missing(kubeconfig: Path, missing: list[str]) -> str:
    lines = [f"  {name}  {NEEDED[name]}" for name in missing]
    return "\n".join(
        [
            f"To run on the cluster of {KUBECONFIG}={kubeconfig} the demo has to be told",
            *lines,
            f"Set them in the environment, or in {kubeconfig.parent / FILE} as NAME=VALUE.",
            f"`make cluster` does so for the cluster that it starts. {_without()}",
        ]
    )


def _without() -> str:
    return f"Without {KUBECONFIG} the demo uses the sandbox cluster."


# What a demo that was killed has left in a cluster is removed by the next one, whichever cluster,
# if any, that one is given.


def remember(state: Path, given: Given | None) -> None:
    if given is not None:
        state.mkdir(parents=True, exist_ok=True)
        facts = {**asdict(given), "kubeconfig": str(given.kubeconfig)}
        (state / "given.json").write_text(json.dumps(facts))


def remembered(state: Path) -> Given | None:
    try:
        facts = json.loads((state / "given.json").read_text())
    except FileNotFoundError:
        return None
    return Given(**{**facts, "kubeconfig": Path(facts["kubeconfig"])})

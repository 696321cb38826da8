"""The parts of a pod that the kubelet asks for, read from its raw JSON."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.kubernetes import quantity
from sandbox.kubernetes.clock import parse_time

Json = dict[str, Any]
Kind = Literal["init", "sidecar", "main"]
TERMINATION_LOG = "/dev/termination-log"
DEFAULT_GRACE_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """`restarts` is the policy that counts for this container: Never, OnFailure or Always."""

    name: str
    kind: Kind
    restarts: str
    raw: Json

    @property
    def image(self) -> str:
        return str(self.raw.get("image", ""))

    @property
    def pull_policy(self) -> str:
        default = "Always" if self.image.endswith(":latest") else "IfNotPresent"
        return str(self.raw.get("imagePullPolicy") or default)

    @property
    def termination_path(self) -> str:
        return str(self.raw.get("terminationMessagePath") or TERMINATION_LOG)

    @property
    def field_path(self) -> str:
        part = "containers" if self.kind == "main" else "initContainers"
        return f"spec.{part}{{{self.name}}}"

    def again_after(self, exit_code: int) -> bool:
        return self.restarts == "Always" or (self.restarts == "OnFailure" and exit_code != 0)


@dataclass(frozen=True)
class PodSpec:
    """One version of a pod as the API server has it."""

    raw: Json

    @property
    def metadata(self) -> Json:
        found: Json = self.raw["metadata"]
        return found

    @property
    def spec(self) -> Json:
        found: Json = self.raw.get("spec") or {}
        return found

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.raw["metadata"].get("namespace") or "default")

    @property
    def uid(self) -> str:
        return str(self.raw["metadata"]["uid"])

    @property
    def full_name(self) -> str:
        """As kubelet messages name a pod."""
        return f"{self.name}_{self.namespace}({self.uid})"

    @property
    def init(self) -> list[ContainerSpec]:
        return list(self._init())

    def _init(self) -> Iterator[ContainerSpec]:
        policy = "Never" if self.policy == "Never" else "OnFailure"
        for raw in self.spec.get("initContainers") or []:
            sidecar = raw.get("restartPolicy") == "Always"
            yield ContainerSpec(
                name=raw["name"],
                kind="sidecar" if sidecar else "init",
                restarts="Always" if sidecar else policy,
                raw=raw,
            )

    @property
    def main(self) -> list[ContainerSpec]:
        found = self.spec.get("containers") or []
        return [
            ContainerSpec(name=raw["name"], kind="main", restarts=self.policy, raw=raw)
            for raw in found
        ]

    @property
    def containers(self) -> list[ContainerSpec]:
        """In the order of their start."""
        return [*self.init, *self.main]

    @property
    def policy(self) -> str:
        return str(self.spec.get("restartPolicy") or "Always")

    @property
    def grace(self) -> float:
        seconds = self.spec.get("terminationGracePeriodSeconds")
        return float(DEFAULT_GRACE_SECONDS if seconds is None else seconds)

    @property
    def deletion(self) -> tuple[float, float] | None:
        """When the end was asked for, and the grace given with it; None where it was not."""
        moment = self.raw["metadata"].get("deletionTimestamp")
        if not moment:
            return None
        grace = float(self.raw["metadata"].get("deletionGracePeriodSeconds") or 0)
        return parse_time(moment) - grace, grace

    @property
    def hostname(self) -> str:
        return str(self.spec.get("hostname") or self.name)[:63]


def resource(raw: Json, kind: str, name: str) -> float | None:
    """The amount of a container's limit or request (`kind`), None where there is none."""
    text = ((raw.get("resources") or {}).get(kind) or {}).get(name)
    return None if text is None else float(quantity.parse(str(text)))

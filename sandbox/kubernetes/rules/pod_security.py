"""PodSecurity admission: the level "baseline", asked for by a namespace's labels.

"restricted" is checked as far as baseline goes and by the rules that it adds, see below.
"""

from collections.abc import Callable, Iterable, Iterator

from ..cluster import Cluster
from ..errors import forbidden
from ..resources import PODS
from ..store import Object
from .pods import every_container

_LABEL = "pod-security.kubernetes.io/"
_LEVELS = ("privileged", "baseline", "restricted")
_CAPABILITIES = frozenset(
    (
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    )
)
Violation = tuple[str, str]  # what, and where


def permit_pod(cluster: Cluster, obj: Object) -> None:
    """Raises 403 for a pod that its namespace does not allow."""
    level, version = _policy(cluster, obj["metadata"]["namespace"], "enforce")
    if found := violations(level, obj["spec"]):
        why = f'violates PodSecurity "{level}:{version}": {_explain(found)}'
        raise forbidden(PODS, obj["metadata"]["name"], why)


def warn(cluster: Cluster, namespace: str, spec: Object) -> list[str]:
    """What is said of a pod, or of a Job's template, which is not refused itself."""
    level, version = _policy(cluster, namespace, "warn")
    found = violations(level, spec)
    if not found:
        return []
    return [f'would violate PodSecurity "{level}:{version}": {_explain(found)}']


def _policy(cluster: Cluster, namespace: str, mode: str) -> tuple[str, str]:
    """Warnings go by the level that is enforced where no other is asked for."""
    found = cluster.store.get("namespaces", "", namespace)
    labels = (found.meta.get("labels") if found else None) or {}
    level = labels.get(f"{_LABEL}{mode}")
    version = labels.get(f"{_LABEL}{mode}-version")
    if mode == "warn" and level is None:
        level, enforced = labels.get(f"{_LABEL}enforce"), labels.get(f"{_LABEL}enforce-version")
        version = version or enforced
    return (level if level in _LEVELS else "privileged"), version or "latest"


def _explain(found: Iterable[Violation]) -> str:
    return ", ".join(f"{what} ({where})" if where else what for what, where in found)


def violations(level: str, spec: Object) -> list[Violation]:
    if level == "privileged":
        return []
    checks = _BASELINE if level == "baseline" else (*_BASELINE, *_RESTRICTED)
    return [found for check in checks for found in check(spec)]


def _host_namespaces(spec: Object) -> Iterator[Violation]:
    used = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    if used:
        yield "host namespaces", ", ".join(used)


def _host_paths(spec: Object) -> Iterator[Violation]:
    named = [volume["name"] for volume in spec.get("volumes") or () if "hostPath" in volume]
    if named:
        yield "hostPath volumes", f"{_plural('volume', named)} {_quoted(named)}"


def _host_ports(spec: Object) -> Iterator[Violation]:
    bad, ports = [], set()
    for container in every_container(spec):
        found = {port["hostPort"] for port in container.get("ports") or () if port.get("hostPort")}
        if found:
            bad.append(container["name"])
            ports |= found
    if bad:
        shown = ", ".join(str(port) for port in sorted(ports))
        uses = "uses" if len(bad) == 1 else "use"
        noun = "hostPort" if len(ports) == 1 else "hostPorts"
        yield "hostPort", f"{_plural('container', bad)} {_quoted(bad)} {uses} {noun} {shown}"


def _privileged(spec: Object) -> Iterator[Violation]:
    bad = [c["name"] for c in every_container(spec) if _context(c).get("privileged")]
    if bad:
        where = f"{_plural('container', bad)} {_quoted(bad)}"
        yield "privileged", f"{where} must not set securityContext.privileged=true"


def _capabilities(spec: Object) -> Iterator[Violation]:
    bad, wrong = [], set()
    for container in every_container(spec):
        added = set((_context(container).get("capabilities") or {}).get("add") or ())
        if added - _CAPABILITIES:
            bad.append(container["name"])
            wrong |= added - _CAPABILITIES
    if bad:
        where = f"{_plural('container', bad)} {_quoted(bad)}"
        what = f"must not include {_quoted(sorted(wrong))} in securityContext.capabilities.add"
        yield "non-default capabilities", f"{where} {what}"


def _proc_mount(spec: Object) -> Iterator[Violation]:
    kinds = {c["name"]: _context(c).get("procMount", "Default") for c in every_container(spec)}
    bad = [name for name, kind in kinds.items() if kind != "Default"]
    if bad:
        where = f"{_plural('container', bad)} {_quoted(bad)}"
        wrong = _quoted(sorted({kinds[name] for name in bad}))
        yield "procMount", f"{where} must not set securityContext.procMount to {wrong}"


def _seccomp(spec: Object) -> Iterator[Violation]:
    setters, bad = [], []
    if _seccomp_type(spec.get("securityContext") or {}) == "Unconfined":
        setters.append("pod")
    bad = [c["name"] for c in every_container(spec) if _seccomp_type(_context(c)) == "Unconfined"]
    if bad:
        setters.append(f"{_plural('container', bad)} {_quoted(bad)}")
    if setters:
        what = 'must not set securityContext.seccompProfile.type to "Unconfined"'
        yield "seccompProfile", f"{' and '.join(setters)} {what}"


def _sysctls(spec: Object) -> Iterator[Violation]:
    asked = [item["name"] for item in (spec.get("securityContext") or {}).get("sysctls") or ()]
    bad = [name for name in asked if name not in _SAFE_SYSCTLS]
    if bad:
        yield "forbidden sysctls", ", ".join(bad)


_SAFE_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    )
)


def _escalation(spec: Object) -> Iterator[Violation]:
    bad = [
        c["name"]
        for c in every_container(spec)
        if _context(c).get("allowPrivilegeEscalation") is not False
    ]
    if bad:
        where = f"{_plural('container', bad)} {_quoted(bad)}"
        what = "must set securityContext.allowPrivilegeEscalation=false"
        yield "allowPrivilegeEscalation != false", f"{where} {what}"


def _drops_all(spec: Object) -> Iterator[Violation]:
    bad = [
        c["name"]
        for c in every_container(spec)
        if "ALL" not in ((_context(c).get("capabilities") or {}).get("drop") or ())
    ]
    if bad:
        where = f"{_plural('container', bad)} {_quoted(bad)}"
        what = 'must set securityContext.capabilities.drop=["ALL"]'
        yield "unrestricted capabilities", f"{where} {what}"


def _not_root(spec: Object) -> Iterator[Violation]:
    if (spec.get("securityContext") or {}).get("runAsNonRoot"):
        return
    bad = [c["name"] for c in every_container(spec) if not _context(c).get("runAsNonRoot")]
    if bad:
        where = f"pod or {_plural('container', bad)} {_quoted(bad)}"
        yield "runAsNonRoot != true", f"{where} must set securityContext.runAsNonRoot=true"


_BASELINE: tuple[Callable[[Object], Iterator[Violation]], ...] = (
    _capabilities,
    _host_namespaces,
    _host_paths,
    _host_ports,
    _privileged,
    _proc_mount,
    _seccomp,
    _sysctls,
)
_RESTRICTED = (_escalation, _drops_all, _not_root)


def _context(container: Object) -> Object:
    context: Object = container.get("securityContext") or {}
    return context


def _seccomp_type(context: Object) -> str:
    return str((context.get("seccompProfile") or {}).get("type", ""))


def _plural(noun: str, items: list[str]) -> str:
    return noun if len(items) == 1 else f"{noun}s"


def _quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)

"""Seccomp profiles, of a pod or a container."""

from ..errors import FieldError, invalid, required, unsupported
from ..store import Object

_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")


def seccomp_errors(profile: Object | None, path: str) -> list[FieldError]:
    if profile is None:
        return []
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    if not kind:
        return [required(f"{path}.type", "type is required when seccompProfile is set")]
    if kind not in _TYPES:
        return [unsupported(f"{path}.type", kind, _TYPES)]
    where = f"{path}.localhostProfile"
    if local and kind != "Localhost":
        return [invalid(where, local, "can only be set when seccomp type is Localhost")]
    if kind == "Localhost" and not local:
        return [required(where, "must be set when seccomp type is Localhost")]
    return []

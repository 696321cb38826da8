"""The security context of a container."""

from ..errors import FieldError, invalid
from ..store import Object
from .seccomp import seccomp_errors


def validate_security(context: Object | None, path: str) -> list[FieldError]:
    if context is None:
        return []
    errors = []
    for name in ("runAsUser", "runAsGroup"):
        value = context.get(name)
        if value is not None and not 0 <= value < 2**31:
            detail = f"must be between 0 and {2**31 - 1}, inclusive"
            errors.append(invalid(f"{path}.{name}", value, detail))
    added = (context.get("capabilities") or {}).get("add") or ()
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            errors.append(invalid(path, context, detail))
        if "SYS_ADMIN" in added or "CAP_SYS_ADMIN" in added:
            both = "`allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            detail = f"cannot set {both}"
            errors.append(invalid(path, context, detail))
    return errors + seccomp_errors(context.get("seccompProfile"), f"{path}.seccompProfile")

"""The sizes of attempts, as they are set, smallest first:
`NAME:CPUS/LIMIT:MEMORY/LIMIT:DISK/LIMIT,…`."""

import re

from dispatch import env
from kube.manifest.settings import GI, MI, ResourceClass, Resources

VARIABLE = "SWITCHYARD_KUBE_CLASSES"
STANDARD = "standard:1/2:2Gi/4Gi:4Gi/20Gi,large:2/4:4Gi/8Gi:4Gi/20Gi"
FORM = f"use NAME:CPUS/LIMIT:MEMORY/LIMIT:DISK/LIMIT,… with sizes in Mi or Gi, such as {STANDARD}"
UNITS = {"Mi": MI, "Gi": GI}
AMOUNT = re.compile(r"([1-9]\d{0,6})(Mi|Gi)/([1-9]\d{0,6})(Mi|Gi)")
MOST_CPUS = 256


def classes() -> tuple[ResourceClass, ...]:
    """Each is for builder and tests alike. Raises `env.EnvError`."""
    found = tuple(_class(word) for word in env.words(VARIABLE, STANDARD))
    if not found or len({one.name for one in found}) < len(found):
        raise env.EnvError(f"{VARIABLE} needs at least one class, each of its own name: {FORM}")
    limits = [one.test.memory_limit for one in found]
    if limits != sorted(limits):
        raise env.EnvError(f"{VARIABLE}: a class has less memory than the one before it: {FORM}")
    return found


def _class(word: str) -> ResourceClass:
    try:
        name, cpus, memory, disk = word.split(":")
        cpu, most = map(float, cpus.split("/"))
        room, space = _amount(memory), _amount(disk)
    except ValueError:
        raise env.EnvError(f"{VARIABLE} has {word!r}: {FORM}") from None
    if not name or not 0 < cpu <= most <= MOST_CPUS or room[0] > room[1] or space[0] > space[1]:
        raise env.EnvError(f"{VARIABLE} has {word!r}, where a limit or a number is wrong: {FORM}")
    resources = Resources(
        cpu=cpu,
        cpu_limit=most,
        memory=room[0],
        memory_limit=room[1],
        disk=space[0],
        disk_limit=space[1],
    )
    return ResourceClass(name=name, builder=resources, test=resources)


def _amount(text: str) -> tuple[int, int]:
    """What is asked for and the limit, in bytes. Raises ValueError."""
    found = AMOUNT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    asked, unit, limit, limit_unit = found.groups()
    return int(asked) * UNITS[unit], int(limit) * UNITS[limit_unit]

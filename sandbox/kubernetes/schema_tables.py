"""What the client's models do not tell of the fields, by model."""

from typing import Any

QUANTITIES = {
    "V1ResourceRequirements": {"limits", "requests"},
    "V1VolumeResourceRequirements": {"limits", "requests"},
    "V1EmptyDirVolumeSource": {"sizeLimit"},
    "V1ResourceFieldSelector": {"divisor"},
    "V1ResourceQuotaSpec": {"hard"},
    "V1ResourceQuotaStatus": {"hard", "used"},
    "V1NodeStatus": {"capacity", "allocatable"},
    "V1PodSpec": {"overhead"},
    "V1ContainerStatus": {"allocatedResources"},
    "V1LimitRangeItem": {"default", "defaultRequest", "max", "min", "maxLimitRequestRatio"},
}
MICRO_TIMES = {
    "V1LeaseSpec": {"acquireTime", "renewTime"},
    "CoreV1Event": {"eventTime"},
    "CoreV1EventSeries": {"lastObservedTime"},
}
# Integers of 64 bits; all others have 32.
WIDE = {
    "activeDeadlineSeconds",
    "deletionGracePeriodSeconds",
    "expirationSeconds",
    "fsGroup",
    "generation",
    "observedGeneration",
    "runAsGroup",
    "runAsUser",
    "seconds",
    "sizeBytes",
    "supplementalGroups",
    "terminationGracePeriodSeconds",
    "tolerationSeconds",
}


_NODE_INFO = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)
# What the API shows even where it is empty.
ALWAYS: dict[str, tuple[tuple[str, Any], ...]] = {
    "V1ContainerStatus": (
        ("image", ""),
        ("imageID", ""),
        ("lastState", {}),
        ("ready", False),
        ("restartCount", 0),
        ("state", {}),
    ),
    "CoreV1Event": (
        ("eventTime", None),
        ("firstTimestamp", None),
        ("lastTimestamp", None),
        ("reportingComponent", ""),
        ("reportingInstance", ""),
        ("source", {}),
    ),
    "V1HostPathVolumeSource": (("type", ""),),
    "V1NodeStatus": (
        ("daemonEndpoints", {"kubeletEndpoint": {"Port": 0}}),
        ("nodeInfo", dict.fromkeys(_NODE_INFO, "")),
    ),
    "V1NodeSystemInfo": tuple((name, "") for name in _NODE_INFO),
}

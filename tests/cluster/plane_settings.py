"""What a control plane of the tests is told, beside where everything is."""

# So many fit on two CPUs; the others wait in the queue, which is no wait for room.
JOBS = 6
# Small, so that several Jobs run side by side, and impatient. With the base image of 200 MB the
# builder writes some 600 MB to a tmpfs, which is charged to it.
SETTINGS = {
    "SWITCHYARD_KUBE_CLASSES": "small:0.05/2:64Mi/1Gi:64Mi/4Gi,large:0.05/2:64Mi/2Gi:64Mi/4Gi",
    "SWITCHYARD_KUBE_SERVICE_PATIENCE_SECONDS": "15",
    "SWITCHYARD_KUBE_CRASHES": "2",
    "SWITCHYARD_KUBE_PULL_GRACE_SECONDS": "10",
    "SWITCHYARD_KUBE_NO_POD_GRACE_SECONDS": "15",
    "SWITCHYARD_KUBE_UNSCHEDULABLE_GRACE_SECONDS": "10",
    "SWITCHYARD_KUBE_SET_UP_GRACE_SECONDS": "20",
    "SWITCHYARD_KUBE_CONFIG_GRACE_SECONDS": "5",
    "SWITCHYARD_KUBE_REPORT_GRACE_SECONDS": "10",
    "SWITCHYARD_KUBE_SERVICE_LOG_SECONDS": "1",
    "SWITCHYARD_KUBE_LOST_NODE_SECONDS": "5",
    "SWITCHYARD_RECONCILE_SECONDS": "1",
    "SWITCHYARD_LOG_CAP_BYTES": "20000000",
}

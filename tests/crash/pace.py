"""The product's settings in a crash test: whatever it waits for, it waits for less."""

from collections.abc import Mapping

SETTINGS: Mapping[str, str] = {
    "SWITCHYARD_WORKER_SILENCE_SECONDS": "8",
    "SWITCHYARD_REPORT_WAIT_SECONDS": "8",
    "SWITCHYARD_TRAILER_WAIT_SECONDS": "4",
    "SWITCHYARD_DROPLET_BOOT_TIMEOUT_SECONDS": "30",
    "SWITCHYARD_WEBHOOK_FIRST_RETRY_SECONDS": "0.2",
    "SWITCHYARD_WEBHOOK_MAX_ATTEMPTS": "40",
    "SWITCHYARD_FUNCTIONS_SILENCE_SECONDS": "20",
    "SWITCHYARD_FALLBACK_AFTER_SECONDS": "6",
    "SWITCHYARD_KUBE_TIMEOUT_SECONDS": "4",
    "SWITCHYARD_KUBE_RELIST_SECONDS": "3",
    "SWITCHYARD_KUBE_WATCH_SILENCE_SECONDS": "5",
    "SWITCHYARD_KUBE_SILENCE_SECONDS": "40",
    "SWITCHYARD_KUBE_LEFTOVERS_SECONDS": "5",
    "SWITCHYARD_KUBE_PULL_GRACE_SECONDS": "15",
    "SWITCHYARD_KUBE_NO_POD_GRACE_SECONDS": "10",
    "SWITCHYARD_KUBE_UNSCHEDULABLE_GRACE_SECONDS": "20",
    "SWITCHYARD_KUBE_CONFIG_GRACE_SECONDS": "10",
    "SWITCHYARD_KUBE_REPORT_GRACE_SECONDS": "10",
}
# The sandboxes' own: how much faster than the real ones their clouds are.
CLOUD_SPEED = 40.0
CLUSTER_SPEED = 12.0
# Tasks that may go to the other backend in the whole run, as it lasts for less than an hour.
FALLBACKS = 12
# How long the tests of a repository take, all shards together.
SUITE_SECONDS = 4.0

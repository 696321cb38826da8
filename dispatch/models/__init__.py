"""The rows of the core. Import them from here."""

from dispatch.models.assignment import Assignment
from dispatch.models.client import ApiClient, ApiKey, IdempotencyKey
from dispatch.models.event import TaskEvent
from dispatch.models.ledger import AuditEntry, DropletLife
from dispatch.models.operation import BackendStatus, Lease, LoopBeat
from dispatch.models.report import Artifact, LogChunk, LogStream, RefusedReport, ResultFile
from dispatch.models.rollout import Rollout, TrafficSplit
from dispatch.models.suite_run import SuiteRun
from dispatch.models.task import Task, TaskSecret
from dispatch.models.webhook import Webhook

__all__ = [
    "ApiClient",
    "ApiKey",
    "Artifact",
    "Assignment",
    "AuditEntry",
    "BackendStatus",
    "DropletLife",
    "IdempotencyKey",
    "Lease",
    "LogChunk",
    "LogStream",
    "LoopBeat",
    "RefusedReport",
    "ResultFile",
    "Rollout",
    "SuiteRun",
    "Task",
    "TaskEvent",
    "TaskSecret",
    "TrafficSplit",
    "Webhook",
]

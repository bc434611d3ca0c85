"""What Azure asks for, and what the Functions host does beside our code. Each figure with its source and its date.

USD, East US, locally redundant, general purpose v2. Read from public pages, not from an invoice: look again at
azure.microsoft.com/pricing before relying on a cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sandbox.host.observer import TriggerKind
from shared.contracts.records import Container, Queue

AS_OF = "2026-11, from pages of 2023 to 2026, East US"


class Op(StrEnum):
    """A storage transaction, by what it is billed as."""

    QUEUE = "queue"
    TABLE = "table"
    BLOB_WRITE = "blob write or list"
    BLOB_READ = "blob read"
    BLOB_OTHER = "blob lease"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices in USD; grants are free every month."""

    gb_second: float = 0.000026
    million_executions: float = 0.40
    granted_gb_seconds: float = 100_000.0
    granted_executions: float = 250_000.0
    ten_thousand: tuple[tuple[Op, float], ...] = (
        (Op.QUEUE, 0.004),
        (Op.TABLE, 0.00036),
        (Op.BLOB_WRITE, 0.065),
        (Op.BLOB_READ, 0.005),
        (Op.BLOB_OTHER, 0.005),
    )
    table_gb_month: float = 0.045
    blob_gb_month: float = 0.018
    alert_rule: float = 0.50
    """One log alert rule that looks every 15 minutes, where one is deployed. Metric alerts: the first ten are free."""


MIN_BILLED_S = 1.0
BILLED_STEP_S = 0.1
"""An active period is billed from one second, then in tenths (Flex Consumption plan, section Billing)."""

STORAGE_WAIT_S = 0.01
BROKER_WAIT_S = 0.15
"""What one request takes longer in Azure than on one machine: assumed."""

ANSWER_WAIT_S = 3.0
"""What a hosted language model takes to answer: assumed. It is waited for, and the wait is billed."""

HOST_OPS: Mapping[TriggerKind, Mapping[Op, float]] = {
    # Put by whoever sent it, taken, deleted.
    TriggerKind.QUEUE: {Op.QUEUE: 3},
    # The schedule monitor is off (use_monitor=False): its status blob would be read and written at every firing.
    TriggerKind.TIMER: {},
    TriggerKind.HTTP: {},
    # A control message put, taken, deleted; history read and written, instance updated.
    TriggerKind.ORCHESTRATION: {Op.QUEUE: 3, Op.TABLE: 3},
    # A work item put, taken, deleted; its response is the next control message.
    TriggerKind.ACTIVITY: {Op.QUEUE: 3},
}
"""Storage transactions of the real host for one execution: reckoned from how it works, not measured."""

KEPT_MONTHS = 12.0
"""How long rows and blobs have gathered when their storage is priced."""
DELETED_AFTER_MONTHS: Mapping[str, float] = {f"{Container.BARS}/history": 1.0, Container.CLAIMS: 0.25}
"""Lifecycle rules of infra/storage.bicep."""

TRIGGERS = len(Queue)
"""Queues with a trigger: one function listens to each of the app's queues, and none to a poison queue."""
LOOKS_PER_HOUR = 360.0
"""Requests with which the platform looks at a queue that has a trigger, to decide on instances: one every ten seconds,
day and night while the app is not stopped. Assumed: Azure does not publish it. That it leaves a stopped app alone is
seen in issue 2981 of the durable extension, whose charts of transactions fall where the app was stopped.
"""
DURABLE_LOOKS_PER_HOUR = 2 * 360.0
"""The same for each control and work item queue: PeekMessage and GetQueueMetadata every ten seconds, day and night, as
Azure/azure-functions-durable-extension issue 391 found in the log of an idle app (2018, Consumption). That the plan of
today still looks as often is assumed.
"""
WORK_ITEM_QUEUES = 1
"""Beside one control queue for each of host.json's `partitionCount`."""

LIVES_AFTER = timedelta(minutes=10)
"""How long an instance lives after its last execution: assumed. Only in these minutes does the host do anything."""
LEASES_PER_HOUR = 120.0
"""Each timer's lease and the host's own, renewed every half minute while an instance lives: assumed."""
PARTITION_OPS_PER_HOUR = 720.0
"""Table requests for the durable partition, read and renewed every ten seconds while an instance lives: assumed."""
LISTENS_PER_HOUR: Mapping[TriggerKind, float] = {
    TriggerKind.QUEUE: 60.0,  # host.json, maxPollingInterval
    TriggerKind.ORCHESTRATION: 120.0,  # host.json, maxQueuePollingInterval: the control queue
    TriggerKind.ACTIVITY: 120.0,  # the work item queue
}
"""Requests with which an instance itself asks an empty queue for messages, once it has slowed down. In these plans each
queue's function has instances of its own, and those of durable functions are shared.
"""

"""The figures of `/metrics`, in Prometheus's text format.

Labels are names of this site's own files (channel, destination) and words of fixed lists (status, state, role,
severity): their number is known beforehand, and none of them can hold a value of a message.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from console.reader import Reader
from console.status import NEEDS_ATTENTION, Facts, overview
from messages.lifecycle import Status
from messages.turned_away import TurnedAway
from store import alerts, dicom, directory, metrics
from store.connection import STORE_FILE, Connection

if TYPE_CHECKING:
    from prometheus_client.core import Metric

BY_DESTINATION = ("channel", "destination")


class Figures:
    """Collects the figures of one moment; what a registry of prometheus-client asks."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        """`folder` is the store's."""
        self._folder = folder
        self._reader = reader

    def collect(self) -> Iterator[Metric]:
        """Yield every figure."""
        facts = self._reader.facts(time.time())
        with self._reader.snapshot() as connection:
            yield from self._of_deliveries(facts, connection)
            yield from _of_host(facts, connection)
        yield from self._of_store()

    def _of_deliveries(self, facts: Facts, connection: Connection) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415  # see pages_metrics

        labels = (*BY_DESTINATION, "status")
        levels = GaugeMetricFamily("plugin_host_deliveries", "Deliveries in each status now", labels=labels)
        flows = CounterMetricFamily(
            "plugin_host_delivery_transitions", "Deliveries that came to each status", labels=labels
        )
        oldest = GaugeMetricFamily(
            "plugin_host_queue_oldest_seconds",
            "Age of the oldest open delivery; 0: none is open",
            labels=BY_DESTINATION,
        )
        last = GaugeMetricFamily(
            "plugin_host_last_success_timestamp_seconds", "When something was last delivered, or the hour in which",
            labels=BY_DESTINATION,
        )  # fmt: skip
        up = GaugeMetricFamily(
            "plugin_host_destination_up", "1 unless the destination cannot be reached", labels=BY_DESTINATION
        )
        now = time.time()
        totals = self._reader.totals.read(connection, now)
        for row in facts.channels:
            for line in row.destinations:
                names, counts = (row.name, line.name), facts.counts[line.number]
                for status in Status:
                    levels.add_metric((*names, status), counts.levels.get(status, 0))
                    flows.add_metric((*names, status), totals[line.number, status])
                oldest.add_metric(names, 0 if counts.oldest_open_at is None else max(0.0, now - counts.oldest_open_at))
                up.add_metric(names, line.connection not in {"unreachable", "failed"})
                at = metrics.last_delivered(connection, row.number, line.ordinal)
                at = at or self._reader.totals.last_hour(line.number)
                if at is not None:
                    last.add_metric(names, at)
        yield from (levels, flows, oldest, last, up)

    def _of_store(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  # see pages_metrics

        size = sum(path.stat().st_size for path in self._folder.glob(f"{STORE_FILE}*"))
        yield GaugeMetricFamily("plugin_host_store_bytes", "Size of the store's files", value=size)
        free = shutil.disk_usage(self._folder).free
        yield GaugeMetricFamily("plugin_host_store_free_bytes", "Space that is free for the store", value=free)


def _of_host(facts: Facts, connection: Connection) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415  # see pages_metrics

    attention = GaugeMetricFamily(
        "plugin_host_channel_attention", "1 when a channel is not as a person wished it to be", labels=("channel",)
    )
    moving = GaugeMetricFamily("plugin_host_channel_started", "1 when a person wishes it to run", labels=("channel",))
    received = GaugeMetricFamily(
        "plugin_host_last_received_timestamp_seconds", "When a message last came", labels=("channel",)
    )
    for channel in overview(facts).channels:
        attention.add_metric((channel.name,), channel.state in NEEDS_ATTENTION or channel.problem is not None)
        moving.add_metric((channel.name,), channel.wish == "started")
        if channel.last_received_at is not None:
            received.add_metric((channel.name,), channel.last_received_at)
    processes = GaugeMetricFamily("plugin_host_process_up", "1 when it has spoken lately", labels=("role",))
    for process in facts.processes:
        processes.add_metric((process.role,), directory.is_alive(process))
    found = [alert.severity for alert in alerts.open_alerts(connection)]
    open_alerts = GaugeMetricFamily("plugin_host_alerts", "Alerts that are open", labels=("severity",))
    for severity in ("blocker", "warning"):
        open_alerts.add_metric((severity,), found.count(severity))
    yield from (attention, moving, received, processes, open_alerts)
    refused = metrics.refusals(connection)
    yield CounterMetricFamily("plugin_host_refusals", "Arrivals that the doors refused", value=refused)
    times = {row.why: row.times for row in dicom.turned_away(connection)}
    strangers = CounterMetricFamily(
        "plugin_host_dicom_turned_away", "Callers that the DICOM door did not let in", labels=("why",)
    )
    for why in TurnedAway:
        strangers.add_metric((why,), times.get(why, 0))
    yield strangers

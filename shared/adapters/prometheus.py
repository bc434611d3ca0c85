"""Samples as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from shared.contracts.samples import Sample

if TYPE_CHECKING:
    from prometheus_client.metrics_core import GaugeMetricFamily

PREFIX = "gatehouse_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(samples: Iterable[Sample]) -> bytes:
    """Return samples in the text format 0.0.4, series by series, as prometheus_client spells it."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - only who scrapes pays for it
    from prometheus_client.exposition import generate_latest  # noqa: PLC0415
    from prometheus_client.metrics_core import GaugeMetricFamily  # noqa: PLC0415

    families: dict[str, GaugeMetricFamily] = {}
    for sample in samples:
        family = families.get(sample.name)
        if family is None:
            labels = list(sample.labels)
            family = families[sample.name] = GaugeMetricFamily(PREFIX + sample.name, sample.what, labels=labels)
        family.add_metric(list(sample.labels.values()), float(sample.value))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(list(families.values())))
    return generate_latest(registry)


class _Families:
    """A collector of what was collected already."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[GaugeMetricFamily]:
        """Return them."""
        return self._families

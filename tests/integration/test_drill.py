"""The kill switch's drill: everything is told and flat within a minute of the next supervision, over a restart too."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from sandbox.drill import Drill, OrderTimes, drill_kill, judged, show
from sandbox.prepared import Prepared
from simulation.market.scenario import Scenario


@pytest.fixture(scope="module")
def drill(world: Scenario, prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Drill:
    assert prepared.core_symbols
    return drill_kill(world, tmp_path_factory.mktemp("drill") / "state")


def printed(drill: Drill) -> str:
    sink = io.StringIO()
    show(drill, Console(file=sink, width=120))
    return sink.getvalue()


def test_every_order_is_told_and_flat_within_a_minute_of_the_next_supervision(drill: Drill) -> None:
    assert drill.faults == ()
    assert drill.killed_at < drill.restarted_at < drill.supervised_at
    phases = [order.was for order in drill.orders]
    assert phases.count("PROTECTED") == 3
    assert {"WORKING", "PARTIALLY_FILLED"} & set(phases)
    for order in drill.orders:
        assert order.told_at is not None
        assert order.flat_at is not None
        assert drill.supervised_at <= order.told_at <= drill.supervised_at + timedelta(minutes=1)
        assert order.flat_at <= drill.supervised_at + timedelta(minutes=1)
        assert order.ended.split()[-1] == "KILL"


def test_every_entry_asked_for_after_the_switch_is_refused_at_once(drill: Drill) -> None:
    seconds = [(at - drill.killed_at).total_seconds() for at in drill.refused]
    assert [round(s) for s in seconds] == [5, 30, 70, 130]


def test_killing_and_resuming_are_on_record_with_who_did_it(drill: Drill) -> None:
    assert [(act, by) for act, by, _ in drill.acts] == [("kill", "drill"), ("resume", "drill")]


def test_the_table_shows_each_time_in_seconds_after_the_switch(drill: Drill) -> None:
    text = printed(drill)
    assert "10:02:20 New York" in text
    assert "next supervision" in text
    assert text.count("+40.0 s") >= 4
    assert "Everything within one minute of the next supervision." in text


def test_what_is_late_missing_or_bought_after_the_switch_is_named(drill: Drill) -> None:
    late = drill.supervised_at + timedelta(seconds=61)
    first, *rest = drill.orders
    cases = {
        "told at None": replace(first, told_at=None),
        f"flat at {late}": replace(first, flat_at=late),
        "flat at None": replace(first, flat_at=None),
        "came into being after the switch": replace(first, was="not there"),
    }
    for words, order in cases.items():
        (fault, *_) = judged(replace(drill, orders=[order, *rest]), is_on=False).faults
        assert words in fault
    assert "1 entries were not refused" in judged(replace(drill, refused=drill.refused[1:]), is_on=False).faults[0]
    assert "resuming is not on record" in judged(drill, is_on=True).faults[0]
    assert "the scene was not set" in judged(replace(drill, orders=[]), is_on=False).faults[0]
    assert "too late or missing: x" in printed(replace(drill, faults=["x"]))


def test_an_order_that_never_ended_shows_as_never(drill: Drill) -> None:
    order = OrderTimes(symbol="AAA", was="PROTECTED", told_at=None, flat_at=None, ended="EXITING")
    assert "never" in printed(replace(drill, orders=[order]))

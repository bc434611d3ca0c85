"""The dashboard over a sandbox day's storage, in headless Chromium: every page opens and shows that day's figures."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dashboard.shell import PAGES
from dashboard.units import slot, usd
from sandbox.azurite import Azurite
from shared.adapters.blobs import AzureBlobs
from shared.adapters.tables import AzureTables
from shared.bootstrap import JsonCodec
from shared.contracts.parameters import Evidence, ParameterSet, parameter_blob
from shared.contracts.records import Container, Table
from shared.contracts.settings import StorageSettings
from shared.ports import Row
from simulation.market.scenario import DEFAULT_ON
from tests.support.days import DayRuns
from tests.support.pages import CHROMIUM, Reader, dashboard_server, reader

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: apt-get install chromium"),
]

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
BYTES = b'{"schema_id": "signal.v9"}'
QUARANTINED = f"{DEFAULT_ON}/signals/0011"
SHARPES = {"walk-11": 1.25, "walk-12": 0.75}


def summary(sharpe: float) -> dict[str, object]:
    """A backtest's summary, as far as the page shows it."""
    curve = [
        {"at": f"2026-09-{day:02d}T20:00:00Z", "equity_usd": 100_000 * (1 + 0.0006 * sharpe * day + 0.002 * (day % 3))}
        for day in range(1, 25)
    ]
    head = {"schema_id": "backtest-summary.v1", "verdict": "not proven", "reasons": ["invented market"]}
    run = {"since": "2026-09-01", "until": "2026-09-24", "run": {"sharpe": sharpe, "max_drawdown": 0.031}}
    splits = {"session": {"REG-AM": {"net_usd": 310.0}, "REG-MID": {"net_usd": -42.0}}}
    return {**head, **run, "trades": {"win_rate": 0.52}, "splits": splits, "curve": curve}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The day as its own evidence tells it, the storage it is in, and the reader who looks at it."""

    outcome: dict[str, Any]
    reader: Reader
    log: Path
    tables: AzureTables

    def rows(self, table: Table) -> list[dict[str, Any]]:
        return [dict(row) for _, row in self.tables.query(table, str(DEFAULT_ON))]


@pytest.fixture(scope="module")
def shown(day_runs: DayRuns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    outcome = day_runs.outcomes(["first"])["first"]
    folder = tmp_path_factory.mktemp("dashboard")
    shutil.copytree(day_runs.storage("first"), folder / "azurite")
    with Azurite(folder / "azurite") as azurite:
        settings = StorageSettings(connection=azurite.connection_string)
        _add_what_a_quiet_day_lacks(settings)
        log = folder / "dashboard.log"
        with dashboard_server(azurite.connection_string, log) as url, reader(url) as browser:
            yield Shown(outcome=outcome, reader=browser, log=log, tables=AzureTables(settings))


def _add_what_a_quiet_day_lacks(settings: StorageSettings) -> None:
    """A quarantined message, a person's act, a proposed parameter set, a backtest."""
    tables, blobs, on = AzureTables(settings), AzureBlobs(settings), str(DEFAULT_ON)
    at = "2026-10-14T17:30:00Z"
    blobs.put(Container.QUARANTINE, QUARANTINED, BYTES)
    incident = {"kind": "quarantine", "title": "Quarantined a message of signals", "body": "unknown schema signal.v9"}
    tables.put(
        Table.INCIDENTS, on, "quarantine|signals|0011", {**incident, "at": at, "blob": QUARANTINED, "status": "open"}
    )
    act: Row = {"act": "halt", "by": "ada", "reason": "looks wrong", "at": at, "status": 200}
    tables.put(Table.CONTROLS, on, "133000|halt|0011", act)
    proposed = ParameterSet(
        name="walk-2026-10",
        created_at=datetime(2026, 10, 10, 13, tzinfo=UTC),
        proposed_by="weekly review",
        values={"GATEHOUSE_KELLY_FRACTION": "0.2"},
        evidence=Evidence(blob="reports/backtests/walk-11/summary.json", figures={"sharpe": 1.25}),
    )
    blobs.put(Container.PARAMETERS, parameter_blob(proposed.name), JsonCodec().encode(proposed).encode())
    for name, sharpe in SHARPES.items():
        blobs.put(Container.REPORTS, f"backtests/{name}/summary.json", json.dumps(summary(sharpe)).encode())


@pytest.fixture(autouse=True)
def sound(request: pytest.FixtureRequest, shown: Shown) -> Iterator[None]:
    """After each look: nothing broken on the page, in the browser's console or in the server's log."""
    yield
    assert shown.reader.broken() == []
    assert shown.reader.complaints == []
    log = shown.log.read_text()
    assert not [line for line in log.splitlines() if any(word in line for word in ("Traceback", "Error", "WARNING"))], (
        log
    )


def take(shown: Shown, name: str) -> None:
    """Renew a page's picture in the documents, if that is asked for."""
    if os.environ.get("RENEW_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        shown.reader.picture(PICTURES / f"{name}.png")


def missing(text: str, *expected: str) -> list[str]:
    """Those of the expected texts that a page does not say."""
    return [one for one in expected if one not in text]


def test_today_shows_the_accounts_figures_and_the_way_from_watchlist_to_fill(shown: Shown) -> None:
    text, day, report = shown.reader.open("today"), shown.outcome, shown.outcome["report"]
    labels = {"symbols watched": "watchlist", "candidates scored": "scored", "decisions": "decided"}
    labels |= {name: name for name in ("signals", "approved", "orders", "fills")}
    funnel = [f"{label} {day['funnel'][name]:,}" for label, name in labels.items()]
    assert missing(text, *funnel) == []
    assert missing(text, usd(float(day["equity_usd"])), usd(float(report["realised_usd"]), sign=True)) == []
    assert f"{report['wins']} won, {report['losses']} lost" in text
    assert "No halt, kill switch off" in text
    assert missing(text, *report["refused_by"]) == []
    take(shown, "today")


def test_watchlist_shows_the_last_list_in_its_order(shown: Shown) -> None:
    text = shown.reader.open("watchlist")
    rows = shown.rows(Table.WATCHLIST)
    last = max(row["slot"] for row in rows)
    listed = sorted((row for row in rows if row["slot"] == last), key=lambda row: row["rank"])
    assert f"Symbols watched {shown.outcome['funnel']['watchlist']:,}" in text
    assert missing(text, slot(last), *[row["symbol"] for row in listed[:10]]) == []
    take(shown, "watchlist")


def test_news_shows_each_story_and_what_it_led_to(shown: Shown) -> None:
    text = shown.reader.open("news")
    stories, told = shown.rows(Table.STORIES), shown.rows(Table.NARRATIVES)
    first = [row for row in stories if not row["echo_of"]]
    assert missing(text, *(row["headline"] for row in first[-10:])) == []
    assert f"Stories {len(first):,}" in text
    assert f"Narratives {sum(row['status'] == 'TOLD' for row in told)} told, of {len(told)} asked for" in text
    assert "divergence.v1" in text
    take(shown, "news")


def test_a_narrative_leads_to_the_case_of_the_decision_that_acted_on_it(shown: Shown) -> None:
    told = sorted(shown.rows(Table.NARRATIVES), key=lambda row: row["told_at"])[::-1]
    acted = [row for row in told if row["signal"]]
    if not acted:  # the market of the kernel under test was told of nothing that was worth an entry
        return
    shown.reader.open("news")
    shown.reader.page.get_by_role("tab", name="Narratives").click()
    shown.reader.page.wait_for_timeout(500)
    grid = shown.reader.page.locator("[data-testid=stDataFrame]:visible").first
    for _ in range(told.index(acted[0]) // 5):
        grid.hover()
        shown.reader.page.mouse.wheel(0, 175)
        shown.reader.page.wait_for_timeout(200)
    grid.click(position={"x": 18, "y": 52 + 35 * (told.index(acted[0]) % 5)})
    link = shown.reader.page.get_by_role("link", name="Open case")
    link.wait_for()
    link.click()
    shown.reader.settle(PAGES["case"])
    text = shown.reader.text()
    document = json.loads(acted[0]["narrative"])
    quotes = [quote["text"] for quote in document["answer"]["quotes"]]
    assert missing(text, acted[0]["symbol"], document["answer"]["summary"], *quotes, "NARR_LEADS_PRICE") == []
    take(shown, "case-of-a-story")


def test_signals_counts_every_opinion_and_lists_the_decisions(shown: Shown) -> None:
    text, funnel = shown.reader.open("signals"), shown.outcome["funnel"]
    assert missing(text, f"Candidates scored {funnel['scored']:,}", f"Decisions {funnel['decided']:,}") == []
    assert f"Approved {funnel['approved']:,}" in text
    latest = max(shown.rows(Table.DECISIONS), key=lambda row: row["decided_at"])
    assert missing(text, latest["symbol"], latest["verdict"]) == []
    take(shown, "signals")


def test_a_decision_chosen_among_the_signals_opens_its_case(shown: Shown) -> None:
    shown.reader.open("signals")
    grid = shown.reader.page.get_by_test_id("stDataFrame").first
    grid.click(position={"x": 18, "y": 52})
    link = shown.reader.page.get_by_role("link", name="Open case")
    link.wait_for()
    decision_id = link.inner_text().split()[-1]
    link.click()
    shown.reader.settle(PAGES["case"])
    text = shown.reader.text()
    row = next(row for row in shown.rows(Table.DECISIONS) if row["decision_id"] == decision_id)
    assert missing(text, f"{slot(row['slot'])}", row["symbol"], "What the models said", "Gates") == []
    gates = {verdict["gate"] for verdict in json.loads(row["gates"])}
    assert missing(text, *gates) == []


def test_an_order_leads_to_the_case_of_its_decision(shown: Shown) -> None:
    orders = shown.rows(Table.ORDERS)
    if not orders:  # the day's models wanted nothing that the gates let pass: any case will do
        shown.reader.open("today")
        shown.reader.open("case")
        take(shown, "case")
        return
    shown.reader.open("orders")
    shown.reader.page.get_by_test_id("stDataFrame").first.click(position={"x": 18, "y": 52})
    shown.reader.page.get_by_role("link", name="Open case").click()
    shown.reader.settle(PAGES["case"])
    text = shown.reader.text()
    latest = max(orders, key=lambda row: row["updated_at"])
    prices = {f"{float(f['price_usd']):,.2f}" for f in shown.rows(Table.FILLS) if f["intent_id"] == latest["intent_id"]}
    assert missing(text, latest["symbol"], latest["phase"], "Steps of the order", *prices) == []
    assert missing(text, "What the bars said", "RSI(14)", "Support", "Resistance", "bars of 5 minutes") == []
    take(shown, "case")


def test_orders_adds_up_to_the_days_report(shown: Shown) -> None:
    text, report, funnel = shown.reader.open("orders"), shown.outcome["report"], shown.outcome["funnel"]
    take(shown, "orders")
    if not funnel["orders"]:
        assert "No order on this day" in text
        return
    assert missing(text, f"Orders {funnel['orders']}", f"Fills {funnel['fills']}") == []
    assert missing(text, usd(float(report["realised_usd"]), sign=True), *report["orders"], *report["exits"]) == []


def test_performance_reckons_what_the_report_counts(shown: Shown) -> None:
    text, report = shown.reader.open("performance"), shown.outcome["report"]
    assert (
        missing(text, usd(float(shown.outcome["equity_usd"])), f"{report['wins']} won, {report['losses']} lost") == []
    )
    assert usd(float(report["realised_usd"]), sign=True) in text
    take(shown, "performance")


def test_sessions_shows_the_reports_profit_of_each(shown: Shown) -> None:
    text, report = shown.reader.open("sessions"), shown.outcome["report"]
    profits = [usd(float(value), sign=True) for value in report["realised_by_session"].values()]
    assert missing(text, *report["realised_by_session"], *profits) == []
    take(shown, "sessions")


def test_backtests_lays_runs_side_by_side_and_tells_the_nightly_replay(shown: Shown) -> None:
    text = shown.reader.open("backtests")
    assert missing(text, "run.sharpe 0.75 1.25", "verdict not proven", *SHARPES) == []
    take(shown, "backtests")
    shown.reader.page.get_by_role("tab", name="Replay").click()
    shown.reader.settle(PAGES["backtests"])
    assert "Different 0" in shown.reader.text()


def test_models_names_champions_and_what_their_cards_say(shown: Shown) -> None:
    text = shown.reader.open("models")
    assert missing(text, "signal", "move", "champion", "log_loss", "learned from an invented market") == []
    take(shown, "models")


def test_journal_holds_as_many_steps_as_the_report_has_sealed_and_every_act(shown: Shown) -> None:
    text, report = shown.reader.open("journal"), shown.outcome["report"]
    if report["journal_rows"]:
        assert f"{report['journal_rows']:,} steps" in text
    take(shown, "journal")
    shown.reader.page.get_by_role("tab", name="Acts of people").click()
    shown.reader.settle(PAGES["journal"])
    assert missing(shown.reader.text(), "halt", "ada", "looks wrong") == []


def test_incidents_shows_a_messages_bytes_and_the_way_back(shown: Shown) -> None:
    text = shown.reader.open("incidents")
    assert missing(text, f"Incidents {shown.outcome['funnel']['incidents'] + 1}", "Quarantined 1") == []
    grid = shown.reader.page.get_by_test_id("stDataFrame").first
    grid.click(position={"x": 18, "y": 52})
    shown.reader.page.get_by_text("unknown schema signal.v9").wait_for()
    shown.reader.settle(PAGES["incidents"])
    assert missing(shown.reader.text(), BYTES.decode(), "No address of the sandbox app") == []
    take(shown, "incidents")


def test_configuration_shows_limits_and_the_sets_to_accept(shown: Shown) -> None:
    text = shown.reader.open("configuration")
    assert missing(text, "GATEHOUSE_KELLY_FRACTION", "GATEHOUSE_DAY_LOSS_MAX_FRACTION", "default") == []
    take(shown, "configuration")
    shown.reader.page.get_by_role("tab", name="Parameter sets").click()
    shown.reader.settle(PAGES["configuration"])
    assert missing(shown.reader.text(), "walk-2026-10", "weekly review", "0.2") == []


def test_every_page_has_its_picture_in_the_documents() -> None:
    spec = (PICTURES.parent / "DASHBOARD_SPEC.md").read_text()
    assert [name for name in PAGES if f"](pictures/{name}.png)" not in spec] == []
    lifecycle = (PICTURES.parent / "ORDER_LIFECYCLE.md").read_text()
    assert "](pictures/hand-traded.png)" in lifecycle
    assert {path.stem for path in PICTURES.glob("*.png")} == {*PAGES, "hand-traded", "case-of-a-story"}

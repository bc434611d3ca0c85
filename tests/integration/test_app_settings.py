"""Settings and arguments that cannot be used are refused, all problems named, before anything happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.__main__ import main
from shared.contracts.records import Queue, Table
from simulation.market.scenario import Scenario
from tests.support.app import QUIET, Sandbox

type MakeSandbox = Callable[..., Sandbox]

BROKEN = {
    "GATEHOUSE_MAX_POSITIONS": "many",
    "GATEHOUSE_EDGE_MIN": "2",
    "GATEHOUSE_ENTRY_SESSIONS": "LUNCH",
    "ALPACA_ENVIRONMENT": "moon",
    "ALPACA_SECRET_KEY": "",
}


def test_broken_settings_fail_every_function_with_all_problems_named(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        box.send(Queue.SIGNALS, box.signal("SPY"))
        await box.until("10:02")
        status, _ = await box.http("GET", "/api/status")
        assert status == 500
        first = box.trace.errors[0][1]
        assert all(name in first for name in BROKEN)
        assert {error for _, error in box.trace.errors} == {first}
        assert "sandbox-secret" not in first
        assert box.venue_log() == []
        assert all(box.rows(table) == {} for table in Table)

    sandbox(settings=QUIET | BROKEN, with_models=False).run(scenario)


def test_settings_that_contradict_each_other_are_named_together(sandbox: MakeSandbox) -> None:
    broken = {"GATEHOUSE_STOP_ATR": "5", "GATEHOUSE_TRADE_RISK_MAX_FRACTION": "0.001", "ALPACA_DATA_URL": ""}

    async def scenario(box: Sandbox) -> None:
        await box.until("10:01")
        error = box.trace.errors[0][1]
        assert all(name in error for name in ("GATEHOUSE_STOP_ATR", "GATEHOUSE_TRADE_RISK_FRACTION", "ALPACA_DATA_URL"))

    sandbox(settings=QUIET | broken, with_models=False).run(scenario)


def test_what_failed_on_broken_settings_is_poison_and_waits_there(sandbox: MakeSandbox) -> None:
    """Even the poison function cannot run: its messages stay, so that mended settings find everything."""

    async def broken(box: Sandbox) -> None:
        box.send(Queue.SIGNALS, box.signal("SPY"))
        await box.until("10:03")
        assert box.waiting("signals-poison") == 1

    async def mended(box: Sandbox) -> None:
        await box.for_s(20 * 60)
        assert len(box.incidents("poison")) == 1

    box = sandbox(settings=QUIET | BROKEN)
    box.run(broken)
    box.settings = QUIET
    box.run(mended)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["day", "--on", "2026-12-25"], "session date of XNYS, got 2026-12-25"),
        (["day", "--on", "2026-10-17"], "session date of XNYS, got 2026-10-17"),
        (["day", "--on", "tomorrow"], "YYYY-MM-DD, from 2007-01-01 to 2030-12-31, got 'tomorrow'"),
        (["day", "--bars", "missing.parquet"], "must exist, got 'missing.parquet'"),
        (["prepare", "--on", "2026-12-25"], "2026-12-25"),
        (["serve", "--free-ports", "--at", "25:00"], "--at must be HH:MM"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_sandbox_answers_a_wrong_argument_with_one_line_and_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], prepared: object
) -> None:
    folder = [] if arguments[0] == "prepare" else ["--folder", str(tmp_path / "folder")]
    assert main([*arguments, *folder]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


def test_sandbox_names_a_date_that_the_bars_do_not_cover(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recorded_bars: Path
) -> None:
    arguments = ["day", "--bars", str(recorded_bars), "--on", "2025-03-04", "--folder", str(tmp_path / "folder")]
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "no tradable bars on 2025-03-04" in err


def test_sandbox_refuses_bars_that_are_no_parquet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bars = tmp_path / "bars.parquet"
    bars.write_text("symbol,ts\n")
    assert main(["day", "--bars", str(bars), "--on", "2025-03-04", "--folder", str(tmp_path / "folder")]) == 2
    assert "is not a parquet file" in capfd.readouterr().err
    assert "--bars" in Scenario(bars=bars).arguments()


@pytest.fixture
def recorded_bars(tmp_path: Path) -> Path:
    """Five minutes of one symbol on one day."""
    import pandas as pd  # noqa: PLC0415 - half a second that only this test pays

    starts = pd.date_range("2025-03-03T14:30", periods=5, freq="min", tz="UTC")
    table = pd.DataFrame({"symbol": "ABC", "ts": starts, "open": 10.0, "high": 10.1, "low": 9.9, "close": 10.0})
    path = tmp_path / "bars.parquet"
    table.assign(volume=1000).to_parquet(path)
    return path

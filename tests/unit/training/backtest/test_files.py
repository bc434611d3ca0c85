"""What a run leaves: files that a spreadsheet, a browser and the dashboard can open without harm."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from pathlib import Path

import pytest

from shared.adapters.codec import decode_json
from shared.adapters.memory import MemoryBlobs
from shared.contracts.cases import Case
from shared.contracts.records import Container
from shared.core.order_states import Phase
from shared.core.values import Side
from tests.support.backtest import rsi_plan
from training.__main__ import main
from training.backtest.files import summary, upload, write_csv, write_run
from training.backtest.page import render
from training.backtest.spec import BacktestOutcome, ModelPlan
from training.backtest.study import Study, study
from training.report_style import INVENTED
from training.spreadsheet import cell


@pytest.fixture(scope="module")
def made(outcome: BacktestOutcome) -> Study:
    return study(outcome, rsi_plan(), trials=5)


@pytest.fixture(scope="module")
def page(made: Study) -> str:
    return render(made)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_compute_is_quoted(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_numbers_stay_numbers_and_what_is_not_known_is_empty() -> None:
    assert [cell(-1.5), cell(float("nan")), cell(float("inf")), cell("ABC")] == [-1.5, "", "", "ABC"]


def test_a_hostile_name_cannot_leave_its_cell(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [{"symbol": '=HYPERLINK("http://x")', "n": 1}])
    assert list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))[1] == ['\'=HYPERLINK("http://x")', "1"]


def test_models_of_an_invented_market_are_said_to_be_so_first(outcome: BacktestOutcome, made: Study) -> None:
    (on, trained), *_ = rsi_plan().steps
    models = tuple((onnx, dataclasses.replace(card, is_synthetic=True)) for onnx, card in trained.models)
    plan = ModelPlan(steps=((on, dataclasses.replace(trained, models=models)),))
    assert study(outcome, plan, trials=5).reasons == (INVENTED, *made.reasons)
    assert INVENTED not in render(made)


def test_files_hold_every_trade_and_day(made: Study, page: str, tmp_path: Path) -> None:
    write_run(made, tmp_path / "run", page=page)
    trades = list(csv.DictReader((tmp_path / "run" / "trades.csv").read_text().splitlines()))
    assert len(trades) == len(made.outcome.trades)
    assert sum(float(row["net_usd"]) for row in trades) == pytest.approx(made.trades.net_usd, abs=0.01 * len(trades))
    assert all(row["case"] == f"cases/{row['date']}/{row['decision_id']}.json" for row in trades)
    assert len(list(csv.DictReader((tmp_path / "run" / "days.csv").read_text().splitlines()))) == made.run.days


def test_every_trade_links_to_its_case_beside_the_page(made: Study, page: str, tmp_path: Path) -> None:
    write_run(made, tmp_path, page=page)
    links = re.findall(r'href="(cases/[^"]+)"', page)
    assert len(links) == len(made.outcome.trades) > 0
    for link, trade in zip(links, made.outcome.trades, strict=True):
        case = decode_json(Case, (tmp_path / link).read_bytes())
        assert (case.decision_id, case.symbol, case.on) == (trade.decision_id, trade.symbol, trade.on)
        bought = sum(fill.qty for fill in case.fills if fill.side == Side.BUY)
        assert (bought, case.phase) == (trade.qty, Phase.CLOSED)
        assert case.scores.contributions
        assert len(case.bars.start_s) == 78


def test_a_run_without_cases_has_no_dead_links(made: Study) -> None:
    bare = dataclasses.replace(made, outcome=dataclasses.replace(made.outcome, cases={}))
    assert 'href="cases/' not in render(bare)


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert "<link" not in page
    assert "@import" not in page
    assert page.count("<svg") >= 5


def test_the_page_shows_verdict_trades_and_chance(made: Study, page: str) -> None:
    for text in (made.run_id, "Deflated Sharpe ratio", "Calibration of p(up)", "Where the time went"):
        assert text in page
    for trade in made.outcome.trades[:5]:
        assert f"cases/{trade.on}/{trade.decision_id}.json" in page


def test_text_from_outside_is_escaped(made: Study) -> None:
    hostile = dataclasses.replace(made, reasons=("<script>alert(1)</script>",))
    assert "<script>alert(1)" not in render(hostile)


def test_a_run_without_trades_is_told_too(made: Study) -> None:
    days = tuple(dataclasses.replace(day, trades=()) for day in made.outcome.days)
    empty = study(dataclasses.replace(made.outcome, days=days), rsi_plan())
    assert empty.verdict == "no evidence"
    assert "Fewer than 100 trades" in render(empty)


def test_one_strategy_alone_is_not_told_apart(made: Study, page: str) -> None:
    assert "strategy" not in made.splits
    assert "By strategy" not in page
    assert ">strategy<" not in page


def test_several_strategies_are_told_apart_in_report_files_and_summary(made: Study, tmp_path: Path) -> None:
    first, *rest = made.outcome.trades
    odd = dataclasses.replace(first, strategy="dip-buyer.v1", p_up=None, p_down=None, expected_move_bp=None)
    days = [dataclasses.replace(day, trades=()) for day in made.outcome.days]
    days[0] = dataclasses.replace(days[0], trades=(odd, *rest))
    two = study(dataclasses.replace(made.outcome, days=tuple(days)), rsi_plan())
    parts = two.splits["strategy"]
    assert {name: part.trades for name, part in parts.items()} == {"dip-buyer.v1": 1, "momentum.v1": len(rest)}
    assert sum(part.net_usd for part in parts.values()) == pytest.approx(two.trades.net_usd)
    page = render(two)
    assert "By strategy" in page
    assert page.count('<td class="left">dip-buyer.v1</td>') == 1
    write_run(two, tmp_path, page=page)
    trades = list(csv.DictReader((tmp_path / "trades.csv").read_text().splitlines()))
    assert (trades[0]["strategy"], trades[0]["p_up"]) == ("dip-buyer.v1", "")
    assert set(summary(two)["splits"]["strategy"]) == set(parts)


def test_a_run_on_known_days_is_no_result(made: Study) -> None:
    days = tuple(dataclasses.replace(day, in_sample=True) for day in made.outcome.days)
    found = study(dataclasses.replace(made.outcome, days=days), rsi_plan())
    assert found.verdict == "in sample"
    assert "not a result" in render(found)


def test_summary_is_json_for_the_dashboard(made: Study) -> None:
    blobs = MemoryBlobs()
    stored = blobs.get(Container.REPORTS, upload(made, blobs))
    assert stored is not None
    found = json.loads(stored.value)
    assert found["schema_id"] == "backtest-summary.v1"
    assert found.keys() == summary(made).keys()
    assert found["trades"]["trades"] == made.trades.trades
    assert found["deflated_sharpe"]["trials"] == 5


def test_a_model_is_not_judged_on_days_it_has_learned_from(
    outcome: BacktestOutcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_models(tmp_path / "models")
    command = ["backtest", "run", "--bars", str(outcome.spec.bars), "--model", str(tmp_path / "models")]
    command += ["--out", str(tmp_path / "out"), "--to", "2025-10-06", "--workers", "0"]
    assert main([*command, "--from", "2025-10-06"]) == 1
    assert "--allow-in-sample" in capsys.readouterr().err
    assert main([*command, "--from", "2025-10-06", "--allow-in-sample"]) == 0
    (report,) = (tmp_path / "out").glob("*/report.html")
    assert "In sample" in report.read_text()


def _write_models(folder: Path) -> None:
    from shared.adapters.codec import encode_json  # noqa: PLC0415 - one test writes models

    for _, models in rsi_plan().steps:
        for onnx, card in models.models:
            place = folder / card.name / card.version
            place.mkdir(parents=True)
            (place / "model.onnx").write_bytes(onnx)
            (place / "card.json").write_bytes(encode_json(card))

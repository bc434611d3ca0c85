"""Worlds: what names them, what is prepared for them, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from sandbox.__main__ import main
from sandbox.prepared import Prepared, folder_of, key_of
from shared.adapters.codec import decode_json
from shared.contracts.model_card import ModelCard
from shared.core.errors import SettingsError
from shared.core.ids import digest
from simulation.market.scenario import CORE_SIZE, MARKET_SYMBOLS, ROOT, Scenario, core_symbols, parse_on
from simulation.market.tape import Tape


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "bars.parquet"
    path.write_bytes(b"PAR1")
    return path


def test_a_world_is_named_by_everything_that_makes_it_another(bars: Path) -> None:
    worlds = [
        Scenario(),
        Scenario(seed=8),
        Scenario(on=date(2026, 10, 15)),
        Scenario(bars=bars),
        Scenario(bars=bars, daily=bars),
    ]
    assert len({key_of(world) for world in worlds}) == len(worlds)
    assert key_of(Scenario(seed=8)) == key_of(Scenario(seed=8))


def test_a_file_of_another_size_is_another_world(bars: Path) -> None:
    before = key_of(Scenario(bars=bars))
    bars.write_bytes(b"PAR1PAR1")
    assert key_of(Scenario(bars=bars)) != before


MISSING = Path("missing.parquet")


@pytest.mark.parametrize(
    "missing", [Scenario(bars=MISSING), Scenario(daily=MISSING), Scenario(quotes=MISSING)], ids=str
)
def test_a_missing_file_is_named(bars: Path, missing: Scenario) -> None:
    world = replace(missing, bars=missing.bars or bars)
    with pytest.raises(SettingsError, match=r"must exist, got 'missing\.parquet'"):
        folder_of(world)


def test_arguments_spell_the_world_for_another_process(bars: Path) -> None:
    world = Scenario(seed=9, on=date(2026, 10, 15), bars=bars, daily=bars)
    assert world.arguments() == ["--seed", "9", "--on", "2026-10-15", "--bars", str(bars), "--daily", str(bars)]


@pytest.mark.parametrize("text", ["", "2026-13-01", "15.10.2026", "today"])
def test_a_date_that_is_none_is_refused_with_what_was_found(text: str) -> None:
    with pytest.raises(SettingsError, match=f"YYYY-MM-DD, from 2007-01-01 to 2030-12-31, got '{text}'"):
        parse_on(text)


def test_prepared_world_names_its_symbols_and_holds_models_with_true_cards(prepared: Prepared, market: Tape) -> None:
    assert prepared.core_symbols == core_symbols(market)
    assert prepared.market_symbols == MARKET_SYMBOLS
    assert prepared.content_id == prepared.trained_on == market.content_id
    folders = sorted((prepared.folder / "models").iterdir())
    assert [folder.name for folder in folders] == ["move", "regime", "signal"]
    for folder in folders:
        card = decode_json(ModelCard, (folder / "card.json").read_bytes())
        assert digest((folder / "model.onnx").read_bytes()) == card.sha256


def test_models_were_not_trained_on_the_day_that_is_traded(prepared: Prepared, world: Scenario) -> None:
    for folder in (prepared.folder / "models").iterdir():
        card = decode_json(ModelCard, (folder / "card.json").read_bytes())
        assert card.trained_from < card.trained_to < world.on <= card.expires_on


def test_models_of_the_seeded_market_say_that_it_is_an_invented_one(prepared: Prepared) -> None:
    """Outside the sandbox they are refused by it."""
    cards = [decode_json(ModelCard, path.read_bytes()) for path in (prepared.folder / "models").glob("*/card.json")]
    assert [card.is_synthetic for card in cards] == [True, True, True]


def test_core_is_the_market_and_then_the_most_traded(market: Tape) -> None:
    found = core_symbols(market)
    assert found[: len(MARKET_SYMBOLS)] == MARKET_SYMBOLS
    assert len(set(found)) == len(found) == CORE_SIZE
    assert core_symbols(market, 10) == found[:10]
    assert all(market.assets[symbol].is_tradable for symbol in found)


def test_preparing_a_prepared_world_changes_nothing(
    prepared: Prepared, world: Scenario, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in prepared.folder.rglob("*")}
    assert main(["prepare", *world.arguments()]) == 0
    assert capsys.readouterr().out == f"prepared in {prepared.folder.name}\n"
    assert {path: path.stat().st_mtime_ns for path in prepared.folder.rglob("*")} == before
    assert Prepared.read(prepared.folder) == prepared


def test_example_settings_trade_the_symbols_of_the_default_world(prepared: Prepared) -> None:
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    assert values["GATEHOUSE_CORE_SYMBOLS"].split() == list(prepared.core_symbols)
    assert values["GATEHOUSE_MARKET_SYMBOLS"].split() == list(prepared.market_symbols)


def test_help_of_every_command_costs_no_market() -> None:
    script = (
        "import sys, sandbox.__main__ as m; m._parser(); print([n for n in ('numpy', 'xgboost') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, env=dict(os.environ)
    )
    assert set(json.loads(done.stdout.replace("'", '"'))) <= {"numpy"}

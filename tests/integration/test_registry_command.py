"""The registry by hand, and a training from a file of bars to its report."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.adapters.codec import decode_json
from shared.contracts.model_card import Champion
from shared.core.errors import SettingsError
from shared.core.ids import digest
from shared.ports import Stored
from tests.support.backtest import write_market
from tests.support.bars import random_walk
from tests.support.models import tiny_model
from tests.support.nights import CALENDAR, NOW, ON
from tests.unit.training.test_parquet import minutes, write
from training.__main__ import main
from training.parquet import ParquetHistory
from training.pipeline import thorough, train
from training.publish import publish
from training.registry.folder import FolderBlobs


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """v1, then v2."""
    blobs = FolderBlobs(tmp_path / "registry")
    for seed in (1, 2):
        for name in ("signal", "move"):
            publish(blobs, *tiny_model(name, seed=seed), promoted_at=NOW)
    return tmp_path / "registry"


def champion(registry: Path, name: str = "signal") -> Champion:
    return decode_json(Champion, (registry / "models" / name / "champion.json").read_bytes())


def test_versions_are_listed_shown_and_compared(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["list"], ["show", "v1"], ["compare", "v1", "v2"]):
        assert main([*command, "--registry", str(registry)]) == 0
    told = capsys.readouterr().err
    assert re.search(r"signal\s*│ v2\s*│ yes", told)
    assert "move v1" in told


def test_a_version_is_promoted_and_rolled_back_by_hand(registry: Path) -> None:
    assert main(["promote", "v1", "--reason", "looked at it", "--registry", str(registry)]) == 0
    assert (champion(registry).version, champion(registry).reason) == ("v1", "looked at it")
    assert main(["promote", "v9", "--registry", str(registry)]) == 1
    # These models expired long ago, so that none may come back.
    assert main(["rollback", "--reason", "a bad week", "--registry", str(registry)]) == 0
    assert champion(registry).suspended == champion(registry, "move").suspended == "a bad week"


def test_without_a_registry_the_command_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    monkeypatch.delenv("AzureWebJobsStorage__accountName", raising=False)
    assert main(["list"]) == 1
    assert "--registry a folder" in capsys.readouterr().err


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random walks of five symbols."""
    days = CALENDAR.previous_days(ON, 46)
    starts = np.concatenate([minutes(day.on)[::5] for day in days])
    parts = {
        symbol: random_walk(np.random.default_rng(k), starts, 30.0, 0.002)
        for k, symbol in enumerate(("SPY", "QQQ", "AAA", "BBB", "CCC"))
    }
    return write(tmp_path_factory.mktemp("noise") / "bars.parquet", parts)


def test_noise_is_trained_on_judged_refused_and_reported(
    noise: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data", str(noise), "--registry", str(tmp_path / "registry"), "--work", str(tmp_path / "work")]
    assert main(["train", *given, "--trials", "1"]) == 0
    (page,) = (tmp_path / "work").glob("training/*/*/report.html")
    text = page.read_text()
    assert "Refused" in text
    assert "COSTS" in text
    for section in (
        "Drawdown",
        "By session",
        "By regime",
        "Calibration",
        "What it looks at",
        "Costs",
        "Trades",
        "Steps",
    ):
        assert section in text
    assert "<script src" not in text
    for link in re.findall(r'href="([^"]+)"', text):
        assert (page.parent / link).is_file()
    assert "http" not in text.replace("http://www.w3.org", "")
    assert not (tmp_path / "registry" / "models" / "signal" / "champion.json").exists()
    assert len(list((tmp_path / "registry" / "models" / "signal").glob("*/card.json"))) == 1
    stored = FolderBlobs(tmp_path / "registry")
    (report,) = (name for name in stored.names("reports", "training/") if name.endswith("report.html"))
    assert stored.get("reports", report) == Stored(value=page.read_bytes(), etag=digest(page.read_bytes()))
    assert len(stored.names("reports", "backtests/")) == 1
    assert "COSTS" in capsys.readouterr().err


def test_a_backtest_that_fails_loses_neither_models_nor_report(
    noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise SettingsError("no session from 2026-01-02 to 2026-01-30")

    monkeypatch.setattr("training.backtest.holdout.run", refuse)
    table = pq.read_table(noise)
    odd = table["ts"].to_pylist()
    odd[5] += timedelta(seconds=19)
    path = tmp_path / "bars.parquet"
    pq.write_table(table.set_column(1, "ts", pa.array(odd, table["ts"].type)), path)
    given = ["--data", str(path), "--registry", str(tmp_path / "registry"), "--work", str(tmp_path / "work")]
    assert main(["train", *given, "--trials", "1"]) == 1
    told = capsys.readouterr().err
    assert "quarantined: 1 off-grid (first: row 6, symbol 'SPY' ts " in told
    assert "the backtest of the judged sessions failed: no session from 2026-01-02" in told
    assert "COSTS" in told
    (page,) = (tmp_path / "work").glob("training/*/*/report.html")
    assert "Refused" in page.read_text()
    assert len(list((tmp_path / "registry" / "models" / "signal").glob("*/card.json"))) == 1


def test_a_history_too_short_for_the_rules_splits_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    source = ParquetHistory(write_market(tmp_path / "bars.parquet", sessions=31), CALENDAR)
    told: list[str] = []
    with pytest.raises(ValueError, match="session dates must be at least 7, got 6"):
        train(
            source,
            seed=7,
            on=source.days[-1].on + timedelta(days=1),
            created_at=NOW,
            rule=thorough(31),
            progress=lambda what, done: told.append(what),
        )
    assert told == []


def test_the_backtest_can_be_left_out_of_the_report(noise: Path, tmp_path: Path) -> None:
    given = ["--data", str(noise), "--registry", str(tmp_path / "registry"), "--work", str(tmp_path / "work")]
    assert main(["train", *given, "--trials", "1", "--no-backtest"]) == 0
    (page,) = (tmp_path / "work").glob("training/*/*/report.html")
    assert "Refused" in page.read_text()
    assert "Drawdown" not in page.read_text()
    assert not list(page.parent.glob("*.csv"))

"""`python -m training backtest run` from end to end: the champion of a storage account, and models in walk-forward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.adapters.blobs import AzureBlobs
from shared.contracts.records import Container
from shared.contracts.settings import StorageSettings
from tests.support.backtest import LAST, rsi_models, write_market
from tests.support.models import CREATED_AT
from training import publish
from training.__main__ import main
from training.backtest.models import FIRST_TRAINING

SINCE = "2025-10-16"


def run_of(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The one run's folder and summary."""
    (path,) = folder.glob("*/summary.json")
    return path.parent, json.loads(path.read_bytes())


def test_the_champion_is_traded_and_its_summary_stored_for_the_dashboard(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blobs = AzureBlobs(StorageSettings(connection=storage))
    bars = write_market(tmp_path / "bars.parquet")
    monkeypatch.setenv("AzureWebJobsStorage", storage)
    words = ["backtest", "run", "--bars", str(bars), "--model", "champion", "--from", SINCE, "--workers", "0"]
    words += ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "profile.json")]
    assert main(words) == 1, "there is no champion yet"
    for onnx, card in rsi_models().models:
        publish.publish(blobs, onnx, card, promoted_at=CREATED_AT)
    assert main(words) == 0
    assert "bars.parquet: 9,672 bars of 5Min, 4 symbols, 0 out of order" in capsys.readouterr().err
    folder, summary = run_of(tmp_path / "out")
    (name,) = blobs.names(Container.REPORTS, "backtests/")
    stored = blobs.get(Container.REPORTS, name)
    assert stored is not None
    assert stored.value == (folder / "summary.json").read_bytes() == (tmp_path / "profile.json").read_bytes()
    assert name == f"backtests/{summary['run_id']}/summary.json"
    assert (summary["models"], summary["in_sample_days"]) == (["rsi"], 0)
    assert summary["trades"]["trades"] > 0
    assert len(list(folder.glob("cases/*/*.json"))) == summary["trades"]["trades"]


def test_walk_forward_trains_on_the_past_alone_and_a_second_run_finds_its_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    bars = write_market(tmp_path / "bars.parquet", sessions=FIRST_TRAINING + 2)
    words = ["backtest", "run", "--bars", str(bars), "--walk-forward", "1", "--workers", "0"]
    assert main([*words, "--out", "first"]) == 0
    _, first = run_of(tmp_path / "first")
    assert (first["run"]["days"], first["until"], first["in_sample_days"]) == (2, str(LAST), 0)
    assert len(first["models"]) == 2
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.onnx")}
    assert len(trained) >= 4
    assert main([*words, "--out", "second"]) == 0
    _, second = run_of(tmp_path / "second")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("model.onnx")} == trained
    for found in (first, second):
        del found["seconds"], found["wall_s"]
    assert second == first


@pytest.mark.parametrize("part", ["run", "leakcheck", "walkforward"])
def test_a_file_that_cannot_be_traded_is_refused_before_a_model_is_looked_for(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(write_market(tmp_path / "market.parquet"))
    naive = table.set_column(1, "ts", table["ts"].cast(pa.timestamp("us")))
    pq.write_table(naive, tmp_path / "bars.parquet")
    words = ["backtest", part, "--bars", str(tmp_path / "bars.parquet"), "--model", str(tmp_path / "none")]
    assert main([*words, *(["--grid", "GATEHOUSE_EDGE_MIN=0.1"] if part == "walkforward" else [])]) == 1
    assert "bars.parquet: column ts has no time zone" in capsys.readouterr().err

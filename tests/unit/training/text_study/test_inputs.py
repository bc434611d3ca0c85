"""Files of stories, words and bars: what cannot be used is named; what a price does is worked out by hand."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shared.adapters.calendar import XnysCalendar
from shared.core.errors import ContractError, SettingsError
from shared.core.features.history import midnight_s
from shared.core.market import Bars
from shared.core.values import Symbol
from tests.support.strategies import made_market, session_dates, write_market
from training.text_study.event_types import StoryKind, kind_of
from training.text_study.events import entries_of, events_of
from training.text_study.forward import read_board
from training.text_study.story_file import StoryFile, read_stories_file
from training.text_study.word_reader import read_words

CALENDAR = XnysCalendar()
A = Symbol("A")


def told(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_stories_are_in_the_order_they_were_received_and_repeats_are_told(tmp_path: Path) -> None:
    text = """symbol,ts,text,followers
B,2025-01-02T10:00:00.5-05:00,"later, and
on two lines",1
A,2025-01-02T14:59:00Z,first,2
A,2025-01-02T14:59:00Z,first,3
lower,2025-01-02T14:59:00Z,x,4
A,yesterday,x,4
A,2025-01-02T14:59:00Z,  ,4
A,1066-01-02T14:59:00Z,x,4
"""
    found = read_stories_file(told(tmp_path / "s.csv", text))
    assert found.symbols == ("A", "B")
    assert found.texts == ("first", "later, and on two lines")
    at = [datetime.fromtimestamp(at_s, UTC).isoformat() for at_s in found.at_s.tolist()]
    assert at == ["2025-01-02T14:59:00+00:00", "2025-01-02T15:00:01+00:00"]
    assert found.given is None
    assert found.told == (
        "s.csv: 2 stories of 2 symbols",
        "left out: 1 repeated (first: row 3, symbol 'A', ts 2025-01-02T14:59:00+00:00, text 'first'), "
        "1 without a symbol (first: row 4, symbol 'lower', ts 2025-01-02T14:59:00+00:00, text 'x'), "
        "1 without a text (first: row 6, symbol 'A', ts 2025-01-02T14:59:00+00:00, text ''), "
        "2 without a time (first: row 5, symbol 'A', ts none, text 'x')",
    )


def test_parquet_and_csv_of_one_content_are_the_same_stories(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "symbol": ["A", "B"],
            "ts": pd.to_datetime(["2025-01-02T15:00", "2025-01-02T16:00"], utc=True),
            "text": ["x", "y"],
        }
    )
    frame["score"] = [0.5, -1.0]
    frame.astype({"symbol": "category"}).to_parquet(tmp_path / "s.parquet")
    frame.to_csv(tmp_path / "s.csv", index=False)
    one, other = (read_stories_file(tmp_path / name) for name in ("s.parquet", "s.csv"))
    assert np.array_equal(one.at_s, other.at_s)
    assert one.texts == other.texts
    assert one.given is not None
    assert one.given.tolist() == [0.5, -1.0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("symbol,ts\nA,2025-01-02T10:00:00Z\n", "bad.csv: columns ['text'] are missing; it has ['symbol', 'ts']"),
        ("symbol,ts,text,text\nA,2025-01-02T10:00:00Z,x,y\n", "columns ['text'] are there more than once"),
        ("symbol,ts,text\n", "bad.csv has a header and no rows"),
        ("symbol,ts,text\nA,2025-01-02 10:00:00,x\n", "'2025-01-02 10:00:00' in column ts has no time zone"),
        ("symbol,ts,text\nA,1735812000,x\n", "no text in column ts is a time (the first is '1735812000')"),
        ("symbol,ts,text\na,2025-01-02T10:00:00Z,x\n", "none of its rows can be used; left out: 1 without a symbol"),
        ("symbol,ts,text,score\nA,2025-01-02T10:00:00Z,x,high\n", "column score holds no number (the first is 'high')"),
        ("symbol,ts,text,score\nA,2025-01-02T10:00:00Z,x,1.5\n", "1 with a score outside [-1, 1]"),
        ("symbol,ts,text\nA,2025-01-02T10:00:00Z\n", "bad.csv cannot be read: "),
    ],
)
def test_a_file_of_no_stories_is_refused_with_file_column_and_value(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ContractError, match=re.escape(said)):
        read_stories_file(told(tmp_path / "bad.csv", text))


def test_times_that_are_none_are_refused_in_parquet_too(tmp_path: Path) -> None:
    for ts, said in ((datetime(2025, 1, 2), "column ts has no time zone"), (5, "column ts holds int64, not times")):  # noqa: DTZ001
        path = tmp_path / "bad.parquet"
        pd.DataFrame({"symbol": ["A"], "ts": [ts], "text": ["x"]}).to_parquet(path)
        with pytest.raises(ContractError, match=said):
            read_stories_file(path)
    (tmp_path / "no.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ContractError, match=r"no\.parquet cannot be read"):
        read_stories_file(tmp_path / "no.parquet")
    with pytest.raises(SettingsError, match=r"no file of stories at none\.csv"):
        read_stories_file(Path("none.csv"))


def test_a_list_of_words_counts_good_against_bad(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    pd.DataFrame(
        {
            "word": ["Gain", "gain", "loss", "may", "torn", "torn"],
            "polarity": ["positive", "positive", "negative", "uncertainty", "positive", "negative"],
        }
    ).to_parquet(path)
    reader = read_words(path)
    vectors = reader.embed(["a gain", "", "12 %"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1])
    said = reader.polarity(["Gain and gain may be torn", "loss", "nothing"], np.empty((3, 0)))
    assert said.tolist() == pytest.approx([2 / 3, -1 / 2, 0])
    assert reader.versions == read_words(path).versions
    pd.DataFrame({"word": ["x"], "polarity": ["odd"]}).to_parquet(path)
    with pytest.raises(ContractError, match="names no word positive or negative"):
        read_words(path)
    pd.DataFrame({"word": ["x"]}).to_parquet(path)
    with pytest.raises(ContractError, match=r"columns \['polarity'\] are missing"):
        read_words(path)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pfizer to buy Allergan", StoryKind.DEAL),
        ("Apple cuts full-year outlook", StoryKind.GUIDANCE),
        ("$AAPL Q3 EPS 1.85 beats by 0.04", StoryKind.EARNINGS),
        ("Citigroup upgraded to overweight", StoryKind.ANALYST),
        ("Judge lets lawsuit against Merck go on", StoryKind.LEGAL),
        ("FDA approves new drug of Amgen", StoryKind.PRODUCT),
        ("good morning $AAPL longs", StoryKind.OTHER),
        ("acquired taste: a quartered episode", StoryKind.DEAL),
        ("headquarters", StoryKind.OTHER),
    ],
)
def test_kinds_are_told_by_words(text: str, kind: StoryKind) -> None:
    assert kind_of(text) is kind


def one_story(at: datetime, symbol: str = "A") -> StoryFile:
    return StoryFile(
        name="one",
        content_id="",
        symbols=(Symbol(symbol),),
        code=np.zeros(1, np.int64),
        at_s=np.array([int(at.timestamp())]),
        texts=("x",),
        given=None,
        told=(),
    )


def daily_file(path: Path, rows: list[tuple[date, float, float]], **columns: list[float]) -> Path:
    frame = pd.DataFrame(rows, columns=["date", "open", "close"])
    frame["symbol"], frame["volume"] = "A", 1000
    frame["high"], frame["low"] = frame[["open", "close"]].max(axis=1), frame[["open", "close"]].min(axis=1)
    frame.assign(**columns).to_parquet(path)
    return path


DATES = session_dates(8)


@pytest.mark.parametrize(
    ("after_open", "opening", "closing"),
    [
        (timedelta(hours=-1), 0, 0),
        (timedelta(0), 0, 0),
        (timedelta(seconds=1), 1, 0),
        (timedelta(hours=6, minutes=30), 1, 0),
        (timedelta(hours=6, minutes=30, seconds=1), 1, 1),
    ],
)
def test_a_daily_entry_is_the_next_open_and_the_next_close_after_the_story(
    tmp_path: Path, after_open: timedelta, opening: int, closing: int
) -> None:
    rows = [(on, 10.0 + k, 10.5 + k) for k, on in enumerate(DATES)]
    board = read_board(daily_file(tmp_path / "d.parquet", rows), [A], CALENDAR)
    session = CALENDAR.day(DATES[0])
    assert session is not None
    found = {}
    for made in board.horizons:
        events = events_of(one_story(session.open_at + after_open), np.ones(1, np.bool_), made)
        found[made.name] = float(events.gross[0])
        assert np.array_equal(events.gross, events.excess)  # one symbol is no market
    k, j = opening, closing
    assert found["open to close"] == pytest.approx((10.5 + k) / (10 + k) - 1)
    assert found["close to close, 1 session"] == pytest.approx((11.5 + j) / (10.5 + j) - 1)
    assert found["close to close, 5 sessions"] == pytest.approx((15.5 + j) / (10.5 + j) - 1)


def test_splits_that_are_told_are_taken_in_and_others_end_what_reaches_over_them(tmp_path: Path) -> None:
    rows = [(on, 10.0, 10.0) for on in DATES[:4]] + [(on, 5.0, 5.0) for on in DATES[4:]]
    quiet = read_board(daily_file(tmp_path / "t.parquet", rows, split_next=[1, 1, 1, 0.5, 1, 1, 1, 1]), [A], CALENDAR)
    assert quiet.broken == 0
    assert np.nanmax(np.abs(quiet.horizons[1].gross[A])) == 0
    loud = read_board(daily_file(tmp_path / "u.parquet", rows, split_next=[1.0] * 8), [A], CALENDAR)
    assert loud.broken == 1
    gross = loud.horizons[1].gross[A]
    assert np.isnan(gross).tolist() == [False, False, False, True, False, False, False, True]
    assert "1 nights over which a price jumped as in a split" in loud.told[-1]


def test_a_return_over_a_session_without_a_bar_is_not_known(tmp_path: Path) -> None:
    rows = [(on, 10.0, 10.0 + k) for k, on in enumerate(DATES) if k != 2]
    board = read_board(daily_file(tmp_path / "d.parquet", rows), [A], CALENDAR)
    assert np.isnan(board.horizons[1].gross[A]).tolist() == [False, True, False, False, False, False, True]


def test_within_the_day_an_exit_is_the_last_price_of_its_minutes_and_of_the_same_day(tmp_path: Path) -> None:
    slots = 300 * np.array([114, 115, 116, 117, 190, 191])
    start_s = np.concatenate([midnight_s(on) + slots for on in DATES[:2]])
    close = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0] * 2)
    bars = Bars(start_s=start_s, open=close, high=close, low=close, close=close, volume=close)
    board = read_board(write_market(tmp_path / "i.parquet", {"A": bars}), [A], CALENDAR)
    quarter, hour = (made.gross[A] for made in board.horizons)
    # The last bars of the day end at 16:00: fifteen minutes from 15:50 do not.
    assert quarter[:4] == pytest.approx([2.0, 1.0, 1 / 3, 0.0])
    assert np.isnan(quarter[4:6]).all()
    assert hour[:4] == pytest.approx([3.0, 1.0, 1 / 3, 0.0])
    met = entries_of(one_story(datetime.fromtimestamp(int(start_s[1]) + 1, UTC)), board.horizons[0])
    assert met.entry_s[0] == start_s[2]
    night = entries_of(one_story(datetime.fromtimestamp(int(start_s[5]) + 1, UTC)), board.horizons[0])
    assert night.entry_s[0] == start_s[6]
    late = entries_of(one_story(datetime.fromtimestamp(int(start_s[11]) + 1, UTC)), board.horizons[0])
    assert late.place[0] == -1


def test_excess_returns_are_those_beyond_all_symbols_entered_at_once(tmp_path: Path) -> None:
    names = [f"S{k}" for k in range(11)]
    board = read_board(
        write_market(tmp_path / "m.parquet", made_market(names, 12, is_daily=True)),
        [Symbol(n) for n in names],
        CALENDAR,
    )
    assert board.has_peers
    for made in board.horizons:
        total = np.sum([made.excess[symbol] for symbol in board.symbols], axis=0)
        assert total[np.isfinite(total)] == pytest.approx(0, abs=1e-12)
        means = np.mean([made.gross[symbol] for symbol in board.symbols], axis=0)
        assert np.allclose(made.excess[board.symbols[0]] + means, made.gross[board.symbols[0]], equal_nan=True)


def test_a_regime_is_that_of_the_sessions_before_the_date(tmp_path: Path) -> None:
    market = made_market(["A", "B"], 60, is_daily=True)  # of some 1.4 % a day together
    board = read_board(write_market(tmp_path / "m.parquet", market), [A, Symbol("B")], CALENDAR)
    ordinals = board.regimes.ordinals.tolist()
    assert board.regimes.before(ordinals[19]) == "unknown"
    changes = np.mean([np.diff(np.log(bars.close)) for bars in market.values()], axis=0)
    for k in (20, 35, 58):
        expected = "volatile" if changes[k - 20 : k].std(ddof=1) >= 0.012 else "calm"
        assert board.regimes.before(ordinals[k]) == expected


def test_bars_of_none_of_the_symbols_are_refused(tmp_path: Path) -> None:
    path = write_market(tmp_path / "m.parquet", made_market(["A"], 5, is_daily=True))
    with pytest.raises(ContractError, match="has bars of none of the stories' symbols, such as ZZZ"):
        read_board(path, [Symbol("ZZZ")], CALENDAR)
    board = read_board(path, [A, Symbol("ZZZ")], CALENDAR)
    assert board.told[-1] == "no bars of ZZZ: not studied"

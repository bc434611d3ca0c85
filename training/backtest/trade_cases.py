"""Case files of a backtest's trades, and its shadow book: the app's own, made of what the day has left in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from shared.adapters.codec import encode_json
from shared.contracts.cases import case_blob
from shared.core.features.history import DAY_S, midnight_s
from shared.core.market import Timeframe
from shared.core.refusals import Shadow
from shared.core.values import Symbol, from_epoch
from shared.stages.evidence.case_maker import CaseMaker, day_records
from shared.stages.evidence.case_parts import Seen
from shared.stages.evidence.shadows import shadows_of
from training.backtest.ports import BacktestApp
from training.backtest.records import Trade
from training.backtest.tape import RollingTape


def cases_of(app: BacktestApp, tape: RollingTape, trades: Sequence[Trade]) -> dict[str, bytes]:
    """Case files of trades that have ended, by blob name.

    Where a position was held over night, the inputs of its decision are forgotten by then: its case names them and
    shows no contributions of features.
    """
    by_day: defaultdict[date, list[Trade]] = defaultdict(list)
    for trade in trades:
        by_day[trade.on].append(trade)
    found: dict[str, bytes] = {}
    for on, its in by_day.items():
        maker = CaseMaker(app, app.archive, day_records(app, on), _seen(app, tape, on, (t.symbol for t in its)))
        for trade in its:
            found[case_blob(on, trade.decision_id)] = encode_json(maker.case(trade.decision_id))
    return found


def shadow_book(app: BacktestApp, tape: RollingTape, on: date) -> tuple[Shadow, ...]:
    """Follow on paper what a day has not made as planned, by the night's own rules."""
    records = day_records(app, on)
    seen = _seen(app, tape, on, (str(row["symbol"]) for row in records.decisions.values()))
    return tuple(shadows_of(app, records, seen).values())


def _seen(app: BacktestApp, tape: RollingTape, on: date, symbols: Iterable[str]) -> Seen:
    start, end = (from_epoch(midnight_s(on) + after) for after in (0, DAY_S))
    wanted = sorted({Symbol(symbol) for symbol in symbols})
    bars = {symbol: tape.bars(symbol, Timeframe.MIN_5, start, end) for symbol in wanted}
    return Seen(bars=bars, until=app.clock.now())

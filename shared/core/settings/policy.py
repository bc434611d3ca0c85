"""When to enter and when to leave."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.core.regime import Regime
from shared.core.sessions import Session
from shared.core.settings.declare import Tuning, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """When to enter and when to leave."""

    edge_min: float = setting(
        "GATEHOUSE_EDGE_MIN",
        0.05,
        "least p_up - p_down of an entry",
        low=0,
        high=1,
        unit="probability",
        why="Costs are inside the labels, so what is above 0 should pay; below 0.05 it is calibration noise",
        tuning=Tuning.FREE,
    )
    edge_factor_calm: float = setting(
        "GATEHOUSE_EDGE_FACTOR_CALM",
        1.0,
        "times GATEHOUSE_EDGE_MIN in a calm market",
        low=0.1,
        high=10,
        unit="times",
        why="As in a normal one; the regime model says which it is, and without it the factor is 1",
        tuning=Tuning.FREE,
    )
    edge_factor_stressed: float = setting(
        "GATEHOUSE_EDGE_FACTOR_STRESSED",
        1.5,
        "times GATEHOUSE_EDGE_MIN in a stressed market",
        low=0.1,
        high=10,
        unit="times",
        why="Spreads and gaps are wider there than any model has learned from",
        tuning=Tuning.FREE,
    )
    edge_factor_morning: float = setting(
        "GATEHOUSE_EDGE_FACTOR_REG_AM",
        1.0,
        "times GATEHOUSE_EDGE_MIN in REG-AM",
        low=0.1,
        high=10,
        unit="times",
        why="One threshold, until walk-forward evidence says otherwise; a regime's factor comes on top",
        tuning=Tuning.FREE,
    )
    edge_factor_midday: float = setting(
        "GATEHOUSE_EDGE_FACTOR_REG_MID",
        1.0,
        "times GATEHOUSE_EDGE_MIN in REG-MID",
        low=0.1,
        high=10,
        unit="times",
        why="As in REG-AM",
        tuning=Tuning.FREE,
    )
    edge_factor_afternoon: float = setting(
        "GATEHOUSE_EDGE_FACTOR_REG_PM",
        1.0,
        "times GATEHOUSE_EDGE_MIN in REG-PM",
        low=0.1,
        high=10,
        unit="times",
        why="As in REG-AM",
        tuning=Tuning.FREE,
    )
    edge_factor_extended: float = setting(
        "GATEHOUSE_EDGE_FACTOR_EXTENDED",
        1.5,
        "times GATEHOUSE_EDGE_MIN in PRE and AFT",
        low=0.1,
        high=10,
        unit="times",
        why="The models have learned from the regular sessions alone",
        tuning=Tuning.FREE,
    )
    net_move_min_bp: float = setting(
        "GATEHOUSE_NET_MOVE_MIN_BP",
        3.0,
        "least expected move after costs",
        low=-1000,
        high=10_000,
        unit="bp",
        why="Left after the spread and GATEHOUSE_COST_BESIDE_SPREAD_BP",
        tuning=Tuning.FREE,
    )
    cost_beside_spread_bp: float = setting(
        "GATEHOUSE_COST_BESIDE_SPREAD_BP",
        4.0,
        "slippage and fees of a round trip beside the spread",
        low=0,
        high=1000,
        unit="bp",
        why="Labels assume it too, with a spread of 6 bp beside it: 10 bp a round trip",
        tuning=Tuning.FREE,
    )
    entry_sessions: tuple[Session, ...] = setting(
        "GATEHOUSE_ENTRY_SESSIONS",
        (Session.REG_AM, Session.REG_MID, Session.REG_PM),
        "sessions in which entries are enabled",
        unit="sessions",
        why="The regular sessions; PRE and AFT, where the lifecycle itself guards positions, are off until wanted: see "
        "[extended hours](ORDER_LIFECYCLE.md#extended-hours)",
        tuning=Tuning.FREE,
    )
    no_entry_before_close_min: int = setting(
        "GATEHOUSE_NO_ENTRY_BEFORE_CLOSE_MIN",
        10,
        "no entry so late",
        low=0,
        high=390,
        unit="min",
        why="The flatten job starts ten minutes before the close",
        tuning=Tuning.FREE,
    )
    cooldown_min: int = setting(
        "GATEHOUSE_COOLDOWN_MIN",
        15,
        "pause per symbol after an order has ended",
        low=0,
        high=1440,
        unit="min",
        why="However it ended; while it lives, DUPLICATE guards the symbol",
        tuning=Tuning.FREE,
    )
    stop_atr: Decimal = setting(
        "GATEHOUSE_STOP_ATR",
        Decimal(2),
        "stop below entry in ATR(5m)",
        low=0.1,
        high=20,
        unit="ATR(5m)",
        why="The barrier that the models were trained on; must be below the target's",
        tuning=Tuning.FREE,
    )
    target_atr: Decimal = setting(
        "GATEHOUSE_TARGET_ATR",
        Decimal(2),
        "target above entry in ATR(5m)",
        low=0.1,
        high=40,
        unit="ATR(5m)",
        why="As far as the stop: the models' probabilities are for these two barriers",
        tuning=Tuning.FREE,
    )
    stop_min_bp: Decimal = setting(
        "GATEHOUSE_STOP_MIN_BP",
        Decimal(30),
        "least stop distance",
        low=1,
        high=5000,
        unit="bp",
        why="Keeps the stop outside the spread where the ATR is tiny",
        tuning=Tuning.FREE,
    )
    hold_max_min: int = setting(
        "GATEHOUSE_HOLD_MAX_MIN",
        60,
        "time limit of a position",
        low=1,
        high=390,
        unit="min",
        why="The horizon that the models were trained on",
        tuning=Tuning.FREE,
    )
    signal_ttl_s: int = setting(
        "GATEHOUSE_SIGNAL_TTL_S",
        240,
        "age at which a candidate or signal is dropped",
        low=5,
        high=3600,
        unit="s",
        why="Below the five minutes between slots, so that a late message never meets the next slot's",
    )
    entry_patience_s: int = setting(
        "GATEHOUSE_ENTRY_PATIENCE_S",
        30,
        "time an entry price may work",
        low=5,
        high=600,
        unit="s",
        why="Then the entry is cancelled and sent anew",
        tuning=Tuning.FREE,
    )
    entry_poll_s: int = setting(
        "GATEHOUSE_ENTRY_POLL_S",
        5,
        "pause between looks at a working order",
        low=1,
        high=60,
        unit="s",
        why="Also the first pause after a call without an answer; it doubles four times at most",
    )
    guard_poll_s: int = setting(
        "GATEHOUSE_GUARD_POLL_S",
        10,
        "pause between looks at the quote of a position in PRE or AFT",
        low=2,
        high=60,
        unit="s",
        why="No native stops exist there: so late at most is the stop seen. Two requests each, of 200 a minute",
    )
    max_reprices: int = setting(
        "GATEHOUSE_MAX_REPRICES",
        3,
        "times an entry is repriced",
        low=0,
        high=10,
        unit="times",
        why="Each stays within the slippage cap of the first price",
        tuning=Tuning.FREE,
    )
    parameter_set: str = setting(
        "GATEHOUSE_PARAMETER_SET",
        "default",
        "name of the accepted parameter set",
        why="Written into every row that a decision leaves",
    )

    def edge_least(self, session: Session, regime: Regime | None) -> float:
        """Least p_up - p_down of an entry; in a regime that is normal or unknown the session alone decides."""
        of_session = {
            Session.REG_AM: self.edge_factor_morning,
            Session.REG_MID: self.edge_factor_midday,
            Session.REG_PM: self.edge_factor_afternoon,
            Session.PRE: self.edge_factor_extended,
            Session.AFT: self.edge_factor_extended,
        }
        of_regime = {Regime.CALM: self.edge_factor_calm, Regime.STRESSED: self.edge_factor_stressed}
        least = self.edge_min * of_session.get(session, 1.0)
        return least if regime is None else least * of_regime.get(regime, 1.0)

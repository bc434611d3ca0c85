"""Where the account is."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.settings.declare import REQUIRED, Environment, Feed, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Where the account is."""

    environment: Environment = setting(
        "ALPACA_ENVIRONMENT",
        REQUIRED,
        "which Alpaca: sandbox, paper or live",
        why="Decides the default URLs and what is refused. No default, so that nobody trades by oversight",
    )
    key_id: str = setting("ALPACA_KEY_ID", REQUIRED, "API key id", why="Never shown in an error", secret=True)
    secret_key: str = setting(
        "ALPACA_SECRET_KEY", REQUIRED, "API secret key", why="Never shown in an error", secret=True
    )
    trading_url: str = setting(
        "ALPACA_TRADING_URL",
        "",
        "base URL of the trading API; empty: the environment's own",
        why="The sandbox needs one, on a machine of your own; paper and live take no host but that account's own",
    )
    data_url: str = setting(
        "ALPACA_DATA_URL", "", "base URL of the market data API; empty: Alpaca's", why="As for trading"
    )
    allow_live: str = setting(
        "GATEHOUSE_ALLOW_LIVE",
        "",
        "account id that may trade live; needed for live only",
        unit="account id",
        why="`live` is refused without it: a second, deliberate act beside the environment. Checked against "
        "the account that the keys open, before the first call",
    )
    feed: Feed = setting(
        "ALPACA_FEED",
        Feed.IEX,
        "market data feed: iex (free) or sip",
        why="`sip` is the consolidated tape and costs money",
    )
    timeout_s: float = setting(
        "ALPACA_TIMEOUT_S",
        10.0,
        "time-out of one call",
        low=0.1,
        high=60,
        unit="s",
        why="alpaca-py sets none, and a function that waits is billed",
    )
    requests_per_min: int = setting(
        "ALPACA_REQUESTS_PER_MIN",
        180,
        "own ceiling below the broker's 200",
        low=1,
        high=10_000,
        unit="1/min",
        why="A ninth of it may go at once. Counted by each process for itself, and not in the sandbox, "
        "where time is virtual",
    )
    max_tries: int = setting(
        "ALPACA_MAX_TRIES",
        3,
        "tries of an idempotent call within one activity",
        low=1,
        high=10,
        unit="tries",
        why="For GET alone. A POST, PATCH or DELETE is sent once and looked up afterwards",
    )

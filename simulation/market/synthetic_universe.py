"""Who is listed in the seeded market: invented companies, two index funds and two crypto pairs.

Company names are put together from syllables; a ticker of four letters may by chance be one that exists.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from shared.core.market import Asset
from shared.core.values import Symbol

SECTORS = (
    "Technology",
    "Biotechnology",
    "Energy",
    "Financials",
    "Industrials",
    "Consumer",
    "Materials",
    "Utilities",
)


class ListingKind(StrEnum):
    """What moves a listing, and when it trades."""

    SMALL = "small"
    MID = "mid"
    LARGE = "large"
    FUND = "fund"
    CRYPTO = "crypto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSymbol:
    """One instrument and the constants of its behaviour.

    `price` in USD is where its history starts and drifts back to; `day_units` is the usual volume of a day in shares
    (coins for crypto), `trade_units` the usual size of one print; `day_vol` the standard deviation of its own daily
    log return, on top of `beta` times the market and `sector_beta` times its sector; `spread_bp` the usual quoted
    spread in the regular session.
    """

    asset: Asset
    kind: ListingKind
    sector: int
    price: float
    day_units: float
    trade_units: float
    beta: float
    sector_beta: float
    day_vol: float
    spread_bp: float

    @property
    def symbol(self) -> str:
        """Ticker or pair."""
        return self.asset.symbol


def generator(*parts: object) -> np.random.Generator:
    """Random numbers that depend on `parts` and nothing else, the same in every process."""
    key = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(key[:16], "big")))


def universe(seed: int, n_symbols: int) -> tuple[ListedSymbol, ...]:
    """`n_symbols` equities, SPY, QQQ, BTC/USD and ETH/USD, sorted by symbol."""
    rng = generator(seed, "universe")
    taken = {"SPY", "QQQ"}
    listings = list(_always_listed())
    for i in range(n_symbols):
        kind = _kind(i, n_symbols)
        sector = int(rng.choice(len(SECTORS), p=_SECTOR_WEIGHTS[kind]))
        name, ticker = _company(rng, sector, taken)
        taken.add(ticker)
        listings.append(_equity(rng, kind, sector, name, ticker))
    return tuple(sorted(listings, key=lambda listing: listing.symbol))


def _kind(i: int, n: int) -> ListingKind:
    """Nine in twenty are small, seven in twenty mid, the rest large."""
    share = (i + 0.5) / n
    return ListingKind.SMALL if share < 0.45 else ListingKind.MID if share < 0.80 else ListingKind.LARGE


_SECTOR_WEIGHTS = {
    ListingKind.SMALL: (0.18, 0.30, 0.10, 0.05, 0.11, 0.12, 0.12, 0.02),
    ListingKind.MID: (0.20, 0.13, 0.10, 0.15, 0.16, 0.14, 0.08, 0.04),
    ListingKind.LARGE: (0.28, 0.09, 0.07, 0.16, 0.14, 0.14, 0.05, 0.07),
}


def _equity(rng: np.random.Generator, kind: ListingKind, sector: int, name: str, ticker: str) -> ListedSymbol:
    if kind is ListingKind.SMALL:
        # Most between 1 and 10 dollars; a few below, where the tick is finer.
        price = math.exp(rng.uniform(math.log(1.15), math.log(9.6)))
        if rng.random() < 0.04:
            price = float(rng.uniform(0.35, 0.95))
        day_usd = 2.5e6 * math.exp(rng.normal(0, 1.1))
        day_vol = rng.uniform(0.022, 0.050)
        spread_bp = float(np.clip(90 * (day_usd / 4e5) ** -0.35 * math.exp(rng.normal(0, 0.2)), 18, 110))
    elif kind is ListingKind.MID:
        price = math.exp(rng.uniform(math.log(9), math.log(90)))
        day_usd = 6e7 * math.exp(rng.normal(0, 0.9))
        day_vol = rng.uniform(0.011, 0.026)
        spread_bp = float(np.clip(7 * (day_usd / 6e7) ** -0.4, 2.5, 20))
    else:
        price = math.exp(rng.uniform(math.log(55), math.log(480)))
        day_usd = 9e8 * math.exp(rng.normal(0, 1.0))
        day_vol = rng.uniform(0.007, 0.016)
        spread_bp = float(np.clip(2.2 * (day_usd / 9e8) ** -0.35, 0.8, 5))
    on_nasdaq = rng.random() < (0.6 if sector in {0, 1} else 0.35)
    return ListedSymbol(
        asset=Asset(
            symbol=Symbol(ticker),
            name=name,
            exchange="NASDAQ" if on_nasdaq else "NYSE",
            asset_class="us_equity",
            is_tradable=True,
            is_fractionable=kind is not ListingKind.SMALL,
        ),
        kind=kind,
        sector=sector,
        price=price,
        day_units=max(day_usd, 2.5e5) / price,
        trade_units=float(np.clip(2500 / price, 25, 400)),
        beta=float(rng.uniform(0.5, 1.5) if kind is ListingKind.SMALL else rng.uniform(0.7, 1.4)),
        sector_beta=float(rng.uniform(0.5, 1.3)),
        day_vol=float(day_vol),
        spread_bp=spread_bp,
    )


def _always_listed() -> tuple[ListedSymbol, ...]:
    def listing(symbol: str, name: str, exchange: str, kind: ListingKind, *numbers: float) -> ListedSymbol:
        asset = Asset(
            symbol=Symbol(symbol),
            name=name,
            exchange=exchange,
            asset_class="crypto" if kind is ListingKind.CRYPTO else "us_equity",
            is_tradable=True,
            is_fractionable=True,
        )
        return ListedSymbol(asset=asset, kind=kind, sector=0, **dict(zip(_NUMBERS, numbers, strict=True)))

    fund, crypto = ListingKind.FUND, ListingKind.CRYPTO
    return (
        listing("SPY", "Broad Market 500 Fund", "ARCA", fund, 480.0, 7e7, 180.0, 1.0, 0.0, 0.0004, 0.3),
        listing("QQQ", "Growth 100 Fund", "NASDAQ", fund, 410.0, 4e7, 160.0, 1.1, 0.55, 0.0006, 0.4),
        listing("BTC/USD", "Bitcoin / US Dollar", "CRYPTO", crypto, 64_000.0, 2200.0, 0.03, 1.0, 0.0, 0.003, 4.0),
        listing("ETH/USD", "Ethereum / US Dollar", "CRYPTO", crypto, 2_900.0, 24_000.0, 0.5, 1.1, 0.0, 0.015, 6.0),
    )


_NUMBERS = ("price", "day_units", "trade_units", "beta", "sector_beta", "day_vol", "spread_bp")
_HEADS = (
    "Abri Alto Bexa Bryn Calo Corv Dax Dorn Elva Fenn Gald Grel Hexa Holm Ilva Jora Kest Korv Lumo Lyra Maro Mivo "
    "Nexu Nori Olva Orbi Pelo Prax Quor Quil Rava Rhen Sabo Skel Tarn Thel Ulmo Urba Velo Vosk Wex Wyn Xeno Yarv "
    "Ystr Zani Zeph Zor"
)
_TAILS = "bex cor dane dra fex gar kin lith mont nix pel quay ran sor tide trix vale vant wick zen"
_TRADES = (
    ("Systems", "Software", "Semiconductor", "Networks", "Robotics"),
    ("Therapeutics", "Biosciences", "Pharma", "Genomics", "Diagnostics"),
    ("Energy", "Petroleum", "Renewables", "Drilling"),
    ("Financial", "Bancorp", "Capital", "Insurance Group"),
    ("Industries", "Aerospace", "Logistics", "Engineering"),
    ("Brands", "Retail Group", "Foods", "Leisure"),
    ("Materials", "Mining", "Lithium", "Chemicals"),
    ("Power", "Water Utilities", "Gas & Electric"),
)
_FORMS = ("Inc.", "Corp.", "Holdings Inc.", "Ltd.")


def _company(rng: np.random.Generator, sector: int, taken: set[str]) -> tuple[str, str]:
    """A name put together from syllables and a ticker from the name's letters."""
    while True:
        stem = str(rng.choice(_HEADS.split())) + str(rng.choice(_TAILS.split()))
        name = f"{stem} {rng.choice(_TRADES[sector])} {rng.choice(_FORMS)}"
        letters = stem.upper()
        inner = sorted(int(k) for k in rng.choice(np.arange(1, len(letters)), size=3, replace=False))
        ticker = letters[0] + "".join(letters[k] for k in inner)
        if ticker not in taken:
            return name, ticker

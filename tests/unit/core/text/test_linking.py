"""Symbols of a text: each by a sound reading, and none by a word, a look-alike or another alphabet's letters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.text.cleaning import clean
from shared.core.text.linking import Listings, listings_of, symbols_in
from tests.support.listed import asset, listed

WORDS = ("NOW", "ALL", "IT", "ON", "SO", "ARE", "CEO", "FAST", "OUT", "TIME", "BIG", "A")
LISTINGS = listings_of(listed(WORDS))


def found(text: str, listings: Listings = LISTINGS) -> Sequence[str]:
    return symbols_in(text, listings)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("$AAPL and $tsla, then $BRK.B and $brk-b", ["AAPL", "TSLA", "BRK.B"]),
        ("$NOW is $ALL there is ($IT)", ["NOW", "ALL", "IT"]),
        ("$5 and $1.2B, US$AAPL, $AAPLX, $$AAPL", []),
        ("Micron (NASDAQ: MU) and AT&T (NYSE:T) on NYSE American: A", ["MU", "T", "A"]),
        ("Maker (NYSE, TSX: GM) and others (TSX: MU) (LON: BP) (ASX:BHP)", ["GM"]),
        ("AAPL slips, NVDA's rally goes on", ["AAPL", "NVDA"]),
        ("NOW is the time, says CEO of IT firm: ALL IN", []),
        ("NVDA SOARS AS TRADERS PILE IN", []),
        ("MU and GS say little", []),
        ("Shares of Bitcoin miners; $BTC.X", ["BTC/USD"]),
    ],
)
def test_tickers_are_read_where_nothing_else_can_be_meant(text: str, symbols: list[str]) -> None:
    assert found(text) == tuple(symbols)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("Apple beats estimates", ["AAPL"]),
        ("Apple\u2019s supplier", ["AAPL"]),
        ("APPLE BEATS ESTIMATES", ["AAPL"]),
        ("Google and Alphabet", ["GOOG", "GOOGL"]),
        ("Facebook owner Meta fined", ["FB"]),
        ("AT&T sues Verizon; J&J and Procter & Gamble join", ["T", "VZ", "JNJ", "PG"]),
        ("Coca-Cola, Wal-Mart and eBay", ["KO", "WMT", "EBAY"]),
        ("McDonald's sells Domino's Pizza", ["MCD", "DPZ"]),
        ("Bank of America's profit", ["BAC"]),
        ("BP's fine and the 3M settlement", ["BP", "MMM"]),
        ("Sainsbury's and Rolls-Royce", ["LSBR", "LRR"]),
        ("General Motors recalls what General Electric built", ["GM", "GE"]),
        ("Target's sales and Visa Inc. results", ["TGT", "V"]),
        ("Delta of the Nile, a first solar eclipse", []),
    ],
)
def test_companies_are_known_by_their_names(text: str, symbols: list[str]) -> None:
    assert found(text) == tuple(symbols)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("Apple Hospitality raises dividend", ["APLE"]),
        ("Meta Materials halts trading", ["MMAT"]),
        ("Apple Energy, a start-up", []),
        ("eating an apple a day", []),
        ("The Big Apple in winter", []),
        ("Pineapple Holdings", []),
        ("Price target raised on visa rules", []),
        ("Target Raised to $50", []),
        ("Anglo American PLC up 6.8%", []),
        ("S&P 500 and Nasdaq close lower", []),
        ("Goldman Sachs upgrades Apple", ["AAPL"]),
        ("Barclays analyst likes Tesla Motors", ["TSLA"]),
    ],
)
def test_what_looks_like_a_company_is_not_taken_for_it(text: str, symbols: list[str]) -> None:
    assert found(text) == tuple(symbols)


@pytest.mark.parametrize(
    "text",
    [
        "$\u0410APL",
        "\u0410APL",
        "AAP\u0141",
        "$AAP\u041b",
        "\u0410pple beats",
        "Appl\u0435 beats",
        "\u0391\u0391PL (NASDAQ: \u0391APL)",
        "A\u0338APL and AAPL\u0338 and $AAPL\u0338",
        "T\u0435sla",
    ],
)
def test_letters_of_another_alphabet_link_to_nothing(text: str) -> None:
    assert found(clean(text)) == ()


def test_a_company_that_is_not_tradable_takes_its_name_and_links_to_nothing() -> None:
    assets = [asset("AAPL", "Apple Inc."), asset("APLE", "Apple Hospitality REIT, Inc.", is_tradable=False)]
    assert found("Apple Hospitality falls", listings_of(assets)) == ()


def test_a_name_of_two_companies_is_nobodys() -> None:
    assets = [asset("AAA", "Zenova Energy Inc."), asset("BBB", "Zenova Energy Corp."), asset("CCC", "Zenova Labs Ltd.")]
    listings = listings_of(assets)
    assert found("Zenova Energy soars", listings) == ()
    assert found("Zenova soars", listings) == ()
    assert found("Zenova Labs soars", listings) == ("CCC",)


def test_a_name_is_that_companys_whose_own_it_is_most_nearly() -> None:
    assets = [asset("AAA", "Zenova Energy Inc."), asset("BBB", "Zenova, Inc. Common Stock")]
    assert found("Zenova soars", listings_of(assets)) == ("BBB",)


def test_an_instrument_that_is_no_common_share_is_not_called_by_its_issuer() -> None:
    assets = [asset("AAA", "Zenova Inc. 7.25% Preferred Stock"), asset("BBB", "Zenova Growth ETF")]
    listings = listings_of(assets)
    assert found("Zenova soars", listings) == ()
    assert found("$AAA", listings) == ("AAA",)


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(["$", "AAPL", "(NYSE:", "T)", "Apple", "'s", " ", "\u0338", "&"])).map("".join)
)
def test_any_text_has_each_symbol_once_and_only_listed_ones(text: str) -> None:
    symbols = found(clean(text))
    assert len(set(symbols)) == len(symbols)
    assert set(symbols) <= set(LISTINGS.tickers.values())


def test_a_long_text_is_read_at_once() -> None:
    for text in ("$A " * 300_000, "NASDAQ, " * 120_000, "Apple " * 160_000, "A&" * 500_000):
        found(clean(text))

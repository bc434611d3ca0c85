"""Positions and what they expose."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.core.portfolio import Position, exposure_by_symbol, hides_positions
from shared.core.unread import Listing, Unread
from shared.core.values import Symbol
from tests.support.broker import account_at


def position(symbol: str = "AAA", qty: int = 10, average: str = "9.00", market: str = "10.00") -> Position:
    return Position(
        symbol=Symbol(symbol), qty=Decimal(qty), average_price=Decimal(average), market_price=Decimal(market)
    )


def test_value_carries_the_sign_of_the_shares() -> None:
    assert position().market_value == Decimal(100)
    short = position(qty=-10)
    assert short.market_value == Decimal(-100)


def test_exposure_is_absolute_and_summed_by_symbol() -> None:
    held = [position(), position(qty=-5), position("BBB", qty=1, market="7.00")]
    assert exposure_by_symbol(held) == {"AAA": Decimal(150), "BBB": Decimal(7)}
    assert exposure_by_symbol([]) == {}


def test_a_worthless_position_is_a_position() -> None:
    assert position(market="0").market_value == 0


def test_a_negative_price_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^market_price must be finite and >= 0, got Decimal\('-0\.01'\)$"):
        position(market="-0.01")


def test_a_symbol_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^symbol must be a symbol"):
        position("a b")


@pytest.mark.parametrize(("cash", "hides"), [("99.01", False), ("99", True), ("98.5", True), ("101", True)])
def test_an_empty_list_is_contradicted_by_a_dollar_that_is_held(cash: str, hides: bool) -> None:
    account = replace(account_at(100), cash=Decimal(cash))
    assert hides_positions(account, Listing(())) is hides
    odd = Unread(what="position", name="AAA", fault="odd", raw="{}")
    assert not hides_positions(account, Listing((), (odd,)))
    assert not hides_positions(account, Listing((position(),)))

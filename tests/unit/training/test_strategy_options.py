"""`--strategy` and `--parameter` become settings of the app; what cannot be used is told before anything starts."""

from __future__ import annotations

import pytest

from shared.core.errors import StrategyError
from training.commands.strategy_options import needs_models, strategy_settings

SHARES, VALUES = "GATEHOUSE_STRATEGIES", "GATEHOUSE_STRATEGY_PARAMETERS"


def test_without_a_strategy_the_settings_stay_as_they_are() -> None:
    assert strategy_settings([], []) == {}


@pytest.mark.parametrize(
    ("strategies", "traded"),
    [
        (["dip-buyer.v1"], "dip-buyer.v1=1"),
        (["dip-buyer.v1=0.3"], "momentum.v1=0.7 dip-buyer.v1=0.3"),
        (["dip-buyer.v1=0.3", "breakout.v1=0.2"], "momentum.v1=0.5 dip-buyer.v1=0.3 breakout.v1=0.2"),
        (["breakout.v1=0.3", "momentum.v1=0.2"], "breakout.v1=0.3 momentum.v1=0.2"),
    ],
)
def test_what_is_left_of_the_budget_is_that_of_the_models(strategies: list[str], traded: str) -> None:
    assert strategy_settings(strategies, []) == {SHARES: traded}


def test_parameters_go_to_the_strategy_that_they_name() -> None:
    given = ["dip-buyer.v1.band=2.5", "dip-buyer.v1.cooldown_min=30"]
    assert strategy_settings(["dip-buyer.v1"], given)[VALUES] == " ".join(given)


@pytest.mark.parametrize(
    ("strategies", "parameters", "says"),
    [
        (["nobody.v1"], [], "no strategy is named 'nobody.v1'"),
        (["dip-buyer.v1=most"], [], "expected NAME=SHARE"),
        (["dip-buyer.v1"], ["dip-buyer.v1.band"], "expected NAME.PARAMETER=VALUE"),
        (["dip-buyer.v1"], ["band=2"], "expected NAME.PARAMETER=VALUE"),
        (["dip-buyer.v1"], ["dip-buyer.v1.bond=2"], "no parameter 'bond'"),
        (["dip-buyer.v1"], ["dip-buyer.v1.band=99"], "band must be a number from 0.5 to 5.0, got 99.0"),
        (["dip-buyer.v1"], ["dipbuyer.v1.band=2"], "--parameter is of dipbuyer.v1: --strategy names dip-buyer.v1"),
        ([], ["dip-buyer.v1.band=2"], "--strategy names none"),
    ],
)
def test_what_cannot_be_used_is_told(strategies: list[str], parameters: list[str], says: str) -> None:
    with pytest.raises(StrategyError) as told:
        strategy_settings(strategies, parameters)
    assert says in str(told.value)


@pytest.mark.parametrize(
    ("traded", "needs"),
    [(None, True), ("dip-buyer.v1=1", False), ("dip-buyer.v1=0.5 momentum.v1=0.5", True), ("nobody.v1=1", True)],
)
def test_models_are_needed_where_a_strategy_asks_for_them(traded: str | None, needs: bool) -> None:
    assert needs_models({} if traded is None else {SHARES: traded}) is needs

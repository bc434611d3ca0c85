"""`--strategy NAME=SHARE`: strategies that trade, as the settings of the app that name them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from shared.core.errors import StrategyError
from shared.core.settings.strategies import FIRST_STRATEGY


def strategy_options(command: argparse.ArgumentParser) -> None:
    """Add the options to a command."""
    command.add_argument(
        "--strategy",
        action="append",
        default=[],
        metavar="NAME[=SHARE]",
        help=f"a strategy that trades with its share of the risk budget, all of it unless said; what is left is "
        f"{FIRST_STRATEGY}'s; repeatable, the first has priority",
    )
    command.add_argument(
        "--parameter", action="append", default=[], metavar="NAME.PARAMETER=VALUE", help="of a strategy; repeatable"
    )


def strategy_settings(strategies: Sequence[str], parameters: Sequence[str]) -> Mapping[str, str]:
    """Settings that the options stand for; none where no strategy is named.

    Raises
    ------
    StrategyError
        If a strategy or parameter is not there, or a share is no number.
    """
    from shared.strategies.catalogue import load

    shares = dict(map(_share, strategies))
    left = Decimal(1) - sum(shares.values(), Decimal(0))
    if strategies and left > 0 and FIRST_STRATEGY not in shares:
        shares = {FIRST_STRATEGY: left, **shares}
    given = own_parameters(parameters)
    if strange := sorted(given.keys() - shares.keys()):
        raise StrategyError(f"--parameter is of {', '.join(strange)}: --strategy names {', '.join(shares) or 'none'}")
    for name in shares:
        load(name, given.get(name, {}))
    found: dict[str, str] = {}
    if shares:
        found["GATEHOUSE_STRATEGIES"] = " ".join(f"{name}={share:f}" for name, share in shares.items())
    if parameters:
        found["GATEHOUSE_STRATEGY_PARAMETERS"] = " ".join(parameters)
    return found


def own_parameters(texts: Sequence[str]) -> Mapping[str, dict[str, str]]:
    """Values of `--parameter` by strategy and name. Raises StrategyError with the first that cannot be read."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        names, equals, value = text.partition("=")
        strategy, dot, name = names.rpartition(".")
        if not (equals and dot and strategy and name and value):
            raise StrategyError(f"--parameter {text!r}: expected NAME.PARAMETER=VALUE, as dip-buyer.v1.band=2.5")
        found.setdefault(strategy, {})[name] = value
    return found


def _share(text: str) -> tuple[str, Decimal]:
    name, equals, share = text.partition("=")
    try:
        return name, Decimal(share) if equals else Decimal(1)
    except InvalidOperation as error:
        raise StrategyError(f"--strategy {text!r}: expected NAME=SHARE with a share from 0 to 1") from error


def needs_models(settings: Mapping[str, str]) -> bool:
    """Whether a strategy that these settings name needs models; without a name it is the models' own."""
    from shared.strategies.catalogue import installed

    named = [text.partition("=")[0] for text in settings.get("GATEHOUSE_STRATEGIES", FIRST_STRATEGY).split()]
    known = installed().strategies
    return any(name not in known or known[name].needs.models for name in named)

"""Technical reports of a decision, made anew whenever they are wanted from what the score stage kept for it."""

from __future__ import annotations

from shared.contracts.cases import SliceInputs
from shared.contracts.messages import Signal
from shared.contracts.records import Container
from shared.core.features.history import midnight_s
from shared.core.market import Bars, Timeframe
from shared.core.packing import unpack
from shared.core.technical import TechnicalReports, technical_reports
from shared.core.values import Symbol
from shared.ports import Ports


def reports_of(ports: Ports, signal: Signal) -> TechnicalReports | None:
    """Report on a signal's bars, as the slice saw them; None where its inputs are gone or never had the symbol.

    Raises
    ------
    ContractError
        If inputs or bars are broken, or bars that the inputs name are gone.
    TransientError
        If storage does not answer.
    """
    stored = ports.blobs.get(Container.FEATURES, signal.features_blob)
    if stored is None:
        return None
    return reports_in(ports, ports.codec.decode(SliceInputs, unpack(stored.value)), signal.symbol)


def reports_in(ports: Ports, document: SliceInputs, symbol: Symbol) -> TechnicalReports | None:
    """Report on a symbol of a slice whose inputs have been read; raises as `reports_of` does."""
    if symbol not in document.symbols:
        return None
    past, today = (
        ports.history.bars(blob).get(Timeframe.MIN_5, {}).get(symbol, Bars.empty())
        for blob in (document.history_blob, document.bars_blob)
    )
    return technical_reports(past.between(0, midnight_s(document.on)).then(today), document.at)

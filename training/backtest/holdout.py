"""What newly trained models would have earned on the sessions that were kept for their judgement."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from shared.contracts.model_card import SIGNAL_MODEL
from shared.core.values import require
from shared.ports import BlobStore
from training import publish
from training.backtest.batch import TrainedSet
from training.backtest.engine import run
from training.backtest.spec import ModelPlan, Spec
from training.backtest.study import Study, study
from training.dataset import Progress


def holdout(blobs: BlobStore, version: str, bars: Path, progress: Progress) -> Study:
    """Trade the judged sessions of a stored version with its models, settings at their defaults.

    Parameters
    ----------
    blobs : BlobStore
        The registry.
    version : str
        Of signal and move, and of the regime model where there is one.
    bars : Path
        File of bars that it was trained on.
    progress : callable

    Raises
    ------
    ValueError
        If its card does not say on which sessions it was judged.
    ModelError
        If there is no such version.
    """
    judged = publish.card_of(blobs, SIGNAL_MODEL, version)
    require(judged.judged_from is not None, "judged_from", judged.judged_from, "the first judged session")
    cards = publish.cards_of(blobs, version)
    trained = TrainedSet(models=tuple((publish.model_of(blobs, card.name, version), card) for card in cards))
    plan = ModelPlan(steps=((date.min, trained),))
    spec = Spec(bars=bars, since=judged.judged_from, until=judged.judged_to, cases=True)
    return study(run(spec, plan, progress), plan)

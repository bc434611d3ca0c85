"""MLflow, where it is configured: one run for each training, with parameters, metrics, folds, card and model."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from training.pipeline import TrainedModels
from training.publish import write_model
from training.registry.judge import PromotionVerdict

EXPERIMENT = "gatehouse"


def track(models: TrainedModels, verdict: PromotionVerdict | None) -> str:
    """Log a training to the server or folder that MLFLOW_TRACKING_URI names; return the run's id, empty without one.

    A version that is there already is not logged again.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        return ""
    from mlflow import MlflowClient  # noqa: PLC0415 - two seconds, for who tracks

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)
    card = models.signal.card
    known = client.search_runs([experiment], filter_string=f"tags.version = '{card.version}'", max_results=1)
    if known:
        return str(known[0].info.run_id)
    tags = {"version": card.version, "code_revision": card.code_revision, "synthetic": str(card.is_synthetic)}
    if verdict is not None:
        tags |= {"promoted": str(verdict.is_promoted), "refused_by": "; ".join(verdict.reasons)[:4000]}
    run = client.create_run(experiment, tags=tags, run_name=card.version)
    run_id = str(run.info.run_id)
    for name, value in card.parameters.items():
        client.log_param(run_id, name, value)
    client.log_param(run_id, "trials", card.trials)
    for model in models.all:
        for name, value in model.card.metrics.items():
            client.log_metric(run_id, f"{model.card.name}.{name}", value)
    for step, fold in enumerate(card.folds):
        for name, value in fold.metrics.items():
            client.log_metric(run_id, f"folds.{fold.kind}.{name}", value, step=step)
    with tempfile.TemporaryDirectory() as folder:
        for model in models.all:
            place = Path(folder) / model.card.name
            write_model(place, model.onnx, model.card)
            client.log_artifacts(run_id, str(place), artifact_path=model.card.name)
    client.set_terminated(run_id)
    return run_id

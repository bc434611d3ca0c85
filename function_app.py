"""The function app: one blueprint per stage, and nothing else."""

import azure.durable_functions as df
import azure.functions as func

from functions import (
    approvals,
    controls,
    execute,
    gate,
    health,
    narrate,
    news,
    nightly,
    notify,
    parameters,
    redrive,
    report,
    scan,
    score,
    stories,
    supervise,
)

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

STAGES = (scan, news, stories, narrate, score, gate, execute, supervise, report, nightly, notify)
API = (controls, approvals, parameters, redrive, health)

for stage in (*STAGES, *API):
    app.register_functions(stage.bp)

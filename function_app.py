"""The function app: one blueprint per stage, and nothing else."""

import azure.durable_functions as df
import azure.functions as func

from functions import execute, gate, news, notify, operate, poison, report, scan, score, supervise

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

for stage in (scan, news, score, gate, execute, supervise, report, operate, notify, poison):
    app.register_functions(stage.bp)

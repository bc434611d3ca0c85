"""Every trigger and binding once."""

import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

SEEN: list[dict[str, object]] = []
"""What the functions were given, for the tests to read."""

STORAGE = "AzureWebJobsStorage"


@app.queue_trigger(arg_name="msg", queue_name="%PREFIX%-work", connection=STORAGE)
def work(msg: func.QueueMessage) -> None:
    SEEN.append({"body": msg.get_body(), "count": msg.dequeue_count, "id": msg.id, "inserted": msg.insertion_time})
    if msg.get_body().startswith(b"fail"):
        raise ValueError("no good")
    if msg.get_body() == b"fail-once" and msg.dequeue_count == 1:
        raise ValueError("not yet")


@app.queue_trigger(arg_name="msg", queue_name="flaky", connection=STORAGE)
def flaky(msg: func.QueueMessage) -> None:
    SEEN.append({"flaky": msg.dequeue_count})
    if (msg.dequeue_count or 0) < 2:
        raise ValueError("not yet")


@app.queue_trigger(arg_name="msg", queue_name="tried-poison", connection=STORAGE)
def tried(msg: func.QueueMessage) -> None:
    raise ValueError("the poison function fails too")


@app.queue_trigger(arg_name="msg", queue_name="raw", connection=STORAGE, data_type=func.DataType.BINARY)
def raw(msg: func.QueueMessage) -> None:
    SEEN.append({"raw": msg.get_body()})


@app.queue_trigger(arg_name="msg", queue_name="copy", connection=STORAGE)
@app.blob_input(arg_name="old", path="texts/{name}.txt", connection=STORAGE)
@app.blob_output(arg_name="new", path="texts/{name}-copy.txt", connection=STORAGE)
@app.table_output(arg_name="row", table_name="copies", partition_key="p", connection=STORAGE)
def copy(msg: func.QueueMessage, old: func.InputStream, new: func.Out[str], row: func.Out[str]) -> None:
    text = "missing" if old is None else old.read().decode()
    new.set(text.upper())
    row.set(json.dumps({"RowKey": msg.get_json()["name"], "Length": len(text)}))


@app.queue_trigger(arg_name="msg", queue_name="look", connection=STORAGE)
@app.table_input(arg_name="row", table_name="copies", partition_key="p", row_key="{name}", connection=STORAGE)
@app.table_input(arg_name="rows", table_name="copies", partition_key="p", connection=STORAGE)
def look(msg: func.QueueMessage, row: str, rows: str) -> None:
    SEEN.append({"row": None if row is None else json.loads(row), "rows": len(json.loads(rows))})


@app.queue_trigger(arg_name="msg", queue_name="answer", connection=STORAGE)
@app.queue_output(arg_name="$return", queue_name="raw", connection=STORAGE)
def answer(msg: func.QueueMessage) -> bytes:
    return b"\x00" + msg.get_body()


@app.timer_trigger(arg_name="timer", schedule="0 0 * * * *", run_on_startup=True)
def hourly(timer: func.TimerRequest) -> None:
    SEEN.append({"timer": timer.past_due, "status": timer.schedule_status})  # type: ignore[attr-defined]


@app.route(route="open/{first:int}/{rest?}", auth_level=func.AuthLevel.ANONYMOUS, methods=["GET"])
def open_route(req: func.HttpRequest) -> str:
    return json.dumps({**req.route_params, **req.params})


@app.route(route="echo", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="raw", connection=STORAGE)
def echo(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_body().decode())
    return func.HttpResponse(req.get_body(), status_code=202, mimetype="text/x-echo", headers={"X-Seen": "yes"})


@app.route(route="master", auth_level=func.AuthLevel.ADMIN)
def master(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.method)


@app.route(route="broken")
def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("broken on purpose")

"""The durable extension's HTTP API, which the SDK's client calls, and the payload of the client binding."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from sandbox.host.durable.history import NAMES, Event, EventType, event, kind_of
from sandbox.host.durable.hub import TaskHub
from sandbox.host.durable.instance import Instance
from shared.core.errors import ConflictError, ContractError
from shared.core.values import parse_utc

_PLACEHOLDER = "INSTANCEID"
_HISTORY_FIELDS = ("Name", "FunctionName", "Result", "Reason", "FireAt", "Input")


def client_payload(*, hub: str, origin: str, rpc_url: str, code: str) -> str:
    """JSON that the `durableClient` binding hands to the SDK.

    Parameters
    ----------
    hub : str
        Name of the task hub.
    origin : str
        Where the host is reached, `http://host:port`.
    rpc_url : str
        Base of the local API, with a slash at its end.
    code : str
        System key of the public webhooks.
    """
    base = f"{origin}/runtime/webhooks/durabletask"
    query = f"taskHub={hub}&connection=Storage&code={code}"
    start = f"{base}/orchestrators/{{functionName}}[/{{instanceId}}]"
    instance = f"{base}/instances/{_PLACEHOLDER}"
    return json.dumps(
        {
            "taskHubName": hub,
            "creationUrls": {
                "createNewInstancePostUri": f"{start}?code={code}",
                "createAndWaitOnNewInstancePostUri": f"{start}?timeout={{timeoutInSeconds}}&code={code}",
            },
            "managementUrls": {
                "id": _PLACEHOLDER,
                "statusQueryGetUri": f"{instance}?{query}",
                "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?{query}",
                "terminatePostUri": f"{instance}/terminate?reason={{text}}&{query}",
                "rewindPostUri": f"{instance}/rewind?reason={{text}}&{query}",
                "purgeHistoryDeleteUri": f"{instance}?{query}",
                "restartPostUri": f"{instance}/restart?{query}",
                "suspendPostUri": f"{instance}/suspend?reason={{text}}&{query}",
                "resumePostUri": f"{instance}/resume?reason={{text}}&{query}",
            },
            "baseUrl": base,
            "requiredQueryStringParameters": f"code={code}",
            "rpcBaseUrl": rpc_url,
        }
    )


class DurableApi:
    """Handlers of one task hub.

    Parameters
    ----------
    hub : TaskHub
        The hub.
    payload : callable
        Gives the payload of the client binding, for the links in answers.
    """

    def __init__(self, hub: TaskHub, payload: Callable[[], str]) -> None:
        self._hub = hub
        self._payload = payload

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """Routes under a prefix such as `/durabletask`."""
        one = prefix + "/instances/{instance_id}"
        start = prefix + "/orchestrators/{name}"
        return [
            web.post(start, self._start),
            web.post(start + "/{instance_id}", self._start),
            web.get(prefix + "/instances", self._list),
            web.get(prefix + "/instances/", self._list),
            web.delete(prefix + "/instances", self._purge_many),
            web.delete(prefix + "/instances/", self._purge_many),
            web.get(one, self._status),
            web.delete(one, self._purge),
            web.post(one + "/raiseEvent/{event_name}", self._raise_event),
            web.post(one + "/{operation:terminate|suspend|resume}", self._control),
            web.post(one + "/restart", self._restart),
            web.post(one + "/rewind", self._rewind),
        ]

    async def _start(self, request: web.Request) -> web.Response:
        body = await request.text()
        if body and _parse(body) is _BAD:
            return _problem(400, "Invalid JSON content")
        return await self._begin(
            request, request.match_info["name"], request.match_info.get("instance_id"), body or None
        )

    async def _begin(
        self, request: web.Request, name: str, instance_id: str | None, input_json: str | None
    ) -> web.Response:
        version = request.query.get("version")
        try:
            instance = await self._hub.start_new(name, instance_id=instance_id, input_json=input_json, version=version)
        except ContractError as error:
            return _problem(400, str(error))
        except ConflictError as error:
            return _problem(409, str(error))
        links = json.loads(self._payload())["managementUrls"]
        body = {name: url.replace(_PLACEHOLDER, instance.instance_id) for name, url in links.items()}
        return web.json_response(body, status=202, headers={"Location": body["statusQueryGetUri"]})

    async def _status(self, request: web.Request) -> web.Response:
        instance, show_input = self._find(request), _flag(request, "showInput", default=True)
        body = describe(instance, show_input=show_input)
        if _flag(request, "showHistory"):
            if not instance.history and instance.status.is_final:
                await self._hub.store.load_history(instance)
            show_output = _flag(request, "showHistoryOutput")
            body["historyEvents"] = [_shown(item, show_output) for item in instance.history if _is_shown(item)]
        return web.json_response(body, status=200 if instance.status.is_final else 202)

    async def _list(self, request: web.Request) -> web.Response:
        show_input = _flag(request, "showInput", default=True)
        found = [describe(instance, show_input=show_input) for instance in self._matching(request)]
        return web.json_response(found)

    async def _raise_event(self, request: web.Request) -> web.Response:
        instance = self._running(request)
        if request.content_type != "application/json":
            return _problem(400, "Only application/json request content is supported")
        data = _parse(await request.text())
        if data is _BAD:
            return _problem(400, "Invalid JSON content")
        # The SDK's client sends JSON text within a JSON string, and the extension keeps it so: an orchestrator gets
        # text from `raise_event` and must parse it (azure-functions-durable-python issue 295).
        raised = event(
            EventType.EVENT_RAISED, self._hub.now(), Name=request.match_info["event_name"], Input=json.dumps(data)
        )
        await self._hub.send(instance, raised)
        return web.Response(status=202)

    async def _control(self, request: web.Request) -> web.Response:
        instance = self._running(request)
        kinds = {
            "terminate": EventType.EXECUTION_TERMINATED,
            "suspend": EventType.EXECUTION_SUSPENDED,
            "resume": EventType.EXECUTION_RESUMED,
        }
        reason = json.dumps(request.query.get("reason", ""))
        await self._hub.send(instance, event(kinds[request.match_info["operation"]], self._hub.now(), Input=reason))
        return web.Response(status=202)

    async def _restart(self, request: web.Request) -> web.Response:
        instance = self._hub.instances.get(request.match_info["instance_id"])
        if instance is None:
            return _problem(400, "InstanceId does not match a valid orchestration instance.")
        is_new = _flag(request, "restartWithNewInstanceId", default=True)
        return await self._begin(request, instance.name, None if is_new else instance.instance_id, instance.input_json)

    async def _rewind(self, request: web.Request) -> web.Response:
        self._find(request)
        return _problem(501, "Rewind is not supported by the sandbox.")

    async def _purge(self, request: web.Request) -> web.Response:
        instance = self._find(request)
        if not instance.status.is_final:
            return web.Response(status=404)
        await self._hub.purge(instance)
        return web.json_response({"instancesDeleted": 1})

    async def _purge_many(self, request: web.Request) -> web.Response:
        doomed = [instance for instance in self._matching(request) if instance.status.is_final]
        for instance in doomed:
            await self._hub.purge(instance)
        return web.json_response({"instancesDeleted": len(doomed)}, status=200 if doomed else 404)

    def _find(self, request: web.Request) -> Instance:
        """The instance that is asked for. Raises 404 where there is none."""
        instance = self._hub.instances.get(request.match_info["instance_id"])
        if instance is None:
            raise web.HTTPNotFound(text="")
        return instance

    def _running(self, request: web.Request) -> Instance:
        """The same, while it runs. Raises 410 where it has ended."""
        instance = self._find(request)
        if instance.status.is_final:
            raise web.HTTPGone(text="")
        return instance

    def _matching(self, request: web.Request) -> list[Instance]:
        query = request.query
        statuses = {text.strip().lower() for text in query.get("runtimeStatus", "").split(",") if text.strip()}
        begin, end = _instant(query, "createdTimeFrom"), _instant(query, "createdTimeTo")
        prefix = query.get("instanceIdPrefix", "")
        return [
            instance
            for instance in sorted(self._hub.instances.values(), key=lambda i: (i.created_at, i.instance_id))
            if (not statuses or instance.status.value.lower() in statuses)
            and (begin is None or instance.created_at >= begin)
            and (end is None or instance.created_at <= end)
            and instance.instance_id.startswith(prefix)
        ]


def describe(instance: Instance, *, show_input: bool) -> dict[str, Any]:
    """Status of an instance as the API answers it."""
    return {
        "name": instance.name,
        "instanceId": instance.instance_id,
        "runtimeStatus": instance.status.value,
        "input": _loads(instance.input_json) if show_input else None,
        "customStatus": _loads(instance.custom_status_json),
        "output": _loads(instance.output_json),
        "createdTime": _seconds(instance.created_at),
        "lastUpdatedTime": _seconds(instance.updated_at),
    }


def _is_shown(item: Event) -> bool:
    return kind_of(item) not in {EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED}


def _shown(item: Event, show_output: bool) -> dict[str, Any]:
    hidden = set() if show_output else {"Result", "Input"}
    fields = {name: item[name] for name in _HISTORY_FIELDS if name in item and name not in hidden}
    return {"EventType": NAMES[kind_of(item)], "Timestamp": item["Timestamp"], **fields}


def _seconds(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _loads(text: str | None) -> Any:
    return None if text is None else json.loads(text)


_BAD: Any = object()


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return _BAD


def _flag(request: web.Request, name: str, *, default: bool = False) -> bool:
    return request.query.get(name, str(default)).lower() == "true"


def _instant(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    return None if not text else parse_utc(text)


def _problem(status: int, message: str) -> web.Response:
    return web.json_response({"Message": message, "ExceptionMessage": message}, status=status)

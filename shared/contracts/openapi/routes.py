"""Every route of the app, once."""

from __future__ import annotations

from collections.abc import Mapping

from shared.contracts.openapi.fields import Field, FieldKind, Route
from shared.core.schedule import Job

BY = Field(name="by", what="who asks", example="me")
REASON = Field(name="reason", what="why", example="looks wrong")
WHO_AND_WHY = (BY, REASON)

INTENT_ID = Field(
    name="intent_id",
    what="id of the order's intent, which is its lifecycle's too",
    max_characters=64,
    pattern="[A-Za-z0-9_-]{1,64}",
    example="3f2a9c0d1e4b5a697887",
)
SET_NAME = Field(
    name="name",
    what="name of a stored parameter set; `default`: the app's own settings again",
    max_characters=63,
    pattern="[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?",
    example="walk-2026-10",
)
ON = Field(
    name="on",
    what="session date of the incident, its partition in table incidents",
    max_characters=10,
    pattern="[0-9]{4}-[0-9]{2}-[0-9]{2}",
    example="2026-10-14",
)
INCIDENT = Field(
    name="incident",
    what="row key of the incident in table incidents",
    max_characters=200,
    pattern="[a-z-]+\\|[a-z-]+\\|[0-9a-f]{1,64}",
    example="poison|signals|0123456789abcdef",
)
MODEL = Field(name="name", what="model", max_characters=40, pattern="[a-z][a-z0-9-]{0,39}", example="signal")
STRATEGY = Field(
    name="name",
    what="strategy with its version",
    max_characters=40,
    pattern="[a-z][a-z0-9]*(-[a-z0-9]+)*\\.v[1-9][0-9]*",
    example="dip-buyer.v1",
)
VERSION = Field(
    name="version",
    what="version that must be in use now: the rollback is from it",
    max_characters=128,
    pattern="[A-Za-z0-9][A-Za-z0-9._-]{0,127}",
    example="2026-10-13-0a1b2c3d",
)

BY_THEMSELVES = frozenset({Job.SUPERVISE, Job.FLATTEN, Job.HEARTBEAT, Job.WEEKLY_REVIEW})
"""Jobs that only their timers start: they look at what is, or at a week that is over."""

RUNNABLE = tuple(job.value for job in Job if job not in BY_THEMSELVES)
JOB = Field(name="job", what="job", max_characters=40, choices=RUNNABLE, example=Job.INTRADAY_REFRESH.value)

_READ = {200: "what was asked for"}
_DOWN = {503: "broker or storage did not answer: look what stands before asking again"}
_DONE = {200: "done, and recorded in table controls", **_DOWN}


def _flag(name: str, what: str, default: bool | None = None) -> Field:
    return Field(name=name, what=what, kind=FieldKind.FLAG, default=default)


STATUS = Route(name="status", method="GET", path="status", summary="What stands now", answers={**_READ, **_DOWN})
POSITIONS = Route(
    name="positions",
    method="GET",
    path="positions",
    summary="Positions and open orders at the broker, with the intents that explain them",
    answers={**_READ, **_DOWN},
)
LIVE = Route(name="health-live", method="GET", path="health/live", summary="Whether the process answers", answers=_READ)
READY = Route(
    name="health-ready",
    method="GET",
    path="health/ready",
    summary="Storage, broker, models, clock skew, parameters, last run of each job and of supervise",
    answers={**_READ, 503: "not ready; each check says why"},
)
METRICS = Route(
    name="metrics",
    method="GET",
    path="metrics",
    summary="The day's figures as Prometheus text",
    answers={**_READ, **_DOWN},
    media="text/plain",
)
DESCRIPTION = Route(name="openapi", method="GET", path="openapi.json", summary="This description", answers=_READ)
HALT = Route(
    name="halt",
    method="POST",
    path="halt",
    summary="Entries off; positions stay, with their stops, targets and time limits",
    fields=WHO_AND_WHY,
    answers=_DONE,
)
RESUME = Route(
    name="resume",
    method="POST",
    path="resume",
    summary="Kill switch and drawdown halt off, unexplained differences accepted",
    fields=WHO_AND_WHY,
    answers=_DONE,
)
KILL = Route(
    name="kill",
    method="POST",
    path="kill",
    summary="Kill switch on: no entry from now on",
    fields=(
        *WHO_AND_WHY,
        _flag("flatten", "leave every position", default=False),
        _flag("cancel_all", "ask the broker at once to cancel every open buy order of the account", default=False),
    ),
    answers=_DONE,
)
APPROVE = Route(
    name="approve",
    method="POST",
    path="approve",
    summary="Answer for an order that waits for a person",
    fields=(*WHO_AND_WHY, INTENT_ID, _flag("approve", "true sends the order, false refuses it")),
    answers={
        **_DONE,
        404: "no such order",
        409: "it takes no answer: never asked, answered, late or over; the words say what it is, and who answered when",
    },
)
ANSWER_PAGE = Route(
    name="answer-page",
    method="GET",
    path="answer",
    summary="Page of a signed link: shows the order and asks again. Changes nothing",
    answers={
        200: "the page",
        400: "the address is too long for the host",
        403: "not signed by this app",
        404: "links are off",
        410: "expired, or the order takes no answer any more; the words say what it is",
        **_DOWN,
    },
    is_keyless=True,
    media="text/html",
)
ANSWER = Route(
    name="answer",
    method="POST",
    path="answer",
    summary="Answer through a signed link, once (form fields token and reason)",
    answers={
        200: "answered, and recorded in table controls",
        400: "the form cannot be read",
        403: "not signed by this app",
        404: "links are off",
        410: "expired, or the order takes no answer any more; the words say what it is",
        413: "form too large",
        415: "not a form",
        **_DOWN,
    },
    is_keyless=True,
    media="text/html",
)
POISON_REDRIVE = Route(
    name="poison-redrive",
    method="POST",
    path="poison/redrive",
    summary="Send a poison message back to its queue, as it was",
    fields=(*WHO_AND_WHY, ON, INCIDENT),
    answers={**_DONE, 404: "no such incident, or its bytes are gone", 409: "not a poison message"},
)
QUARANTINE_REDRIVE = Route(
    name="quarantine-redrive",
    method="POST",
    path="quarantine/redrive",
    summary="Send a quarantined message back to its queue, as it was: after the code that could not read it is mended",
    fields=(*WHO_AND_WHY, ON, INCIDENT),
    answers={**_DONE, 404: "no such incident, or its bytes are gone", 409: "not a quarantined message, or not text"},
)
RUN_JOB = Route(
    name="run-job",
    method="POST",
    path="jobs/{job}/run",
    summary="Run a job now, due or not, under the slot of this minute",
    fields=WHO_AND_WHY,
    parts=(JOB,),
    answers={**_DONE, 404: "no such job", 409: "no trading day, or the job ran in this minute's slot"},
)
TEST_NOTICE = Route(
    name="test-notice",
    method="POST",
    path="notices/test",
    summary="Send a notice to every channel, to see that it arrives",
    fields=WHO_AND_WHY,
    answers=_DONE,
)
PARAMETERS = Route(
    name="parameters",
    method="GET",
    path="parameters",
    summary="The parameter set in force, who accepted it, and the names of all stored sets",
    answers={**_READ, **_DOWN},
)
PARAMETER_SET = Route(
    name="parameter-set",
    method="GET",
    path="parameters/{name}",
    summary="A stored parameter set with its evidence",
    parts=(SET_NAME,),
    answers={**_READ, 404: "no such set", **_DOWN},
)
ACCEPT_PARAMETERS = Route(
    name="accept-parameters",
    method="POST",
    path="parameters/accept",
    summary="Make a stored parameter set the one in force",
    fields=(*WHO_AND_WHY, SET_NAME),
    answers={
        **_DONE,
        404: "no such set",
        409: "it breaks a bound, lifts a limit, or another was accepted at the same time",
    },
)
HALT_STRATEGY = Route(
    name="halt-strategy",
    method="POST",
    path="strategies/{name}/halt",
    summary="No entries of one strategy; its positions stay, every other strategy trades on",
    fields=WHO_AND_WHY,
    parts=(STRATEGY,),
    answers={**_DONE, 404: "no strategy of that name trades"},
)
RESUME_STRATEGY = Route(
    name="resume-strategy",
    method="POST",
    path="strategies/{name}/resume",
    summary="Lift the halt of one strategy, a person's or that of its day's loss",
    fields=WHO_AND_WHY,
    parts=(STRATEGY,),
    answers={**_DONE, 404: "no strategy of that name trades"},
)
ROLL_BACK = Route(
    name="roll-back",
    method="POST",
    path="models/{name}/rollback",
    summary="Make the champion before this one the champion again",
    fields=(*WHO_AND_WHY, VERSION),
    parts=(MODEL,),
    answers={
        **_DONE,
        404: "no such model has a champion",
        409: "another version is in use, there is none before it, or it was switched at the same time",
    },
)
ACCEPT_LIVE = Route(
    name="accept-live",
    method="POST",
    path="live/accept",
    summary="Accept that this account trades real money; without it, environment live enters nothing",
    fields=(*WHO_AND_WHY, Field(name="account_id", what="the account's id", max_characters=100, example="9f0c...")),
    answers={**_DONE, 409: "the environment is not live, or the account is another"},
)

ROUTES: Mapping[str, Route] = {
    route.name: route
    for route in (
        STATUS,
        POSITIONS,
        LIVE,
        READY,
        METRICS,
        DESCRIPTION,
        HALT,
        RESUME,
        KILL,
        APPROVE,
        ANSWER_PAGE,
        ANSWER,
        POISON_REDRIVE,
        QUARANTINE_REDRIVE,
        RUN_JOB,
        TEST_NOTICE,
        PARAMETERS,
        PARAMETER_SET,
        ACCEPT_PARAMETERS,
        HALT_STRATEGY,
        RESUME_STRATEGY,
        ROLL_BACK,
        ACCEPT_LIVE,
    )
}
"""By name."""

"""Asking a language model: once for each question, within a day's budget, and not while it keeps failing.

A question's record lies in container language under the hash of all that the answer depends on. It is looked for first,
so that a message which comes twice is paid once and a replay pays nothing. Table calls has a row of every question that
was put or refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from shared.contracts.messages import Notice
from shared.contracts.records import Container, Table
from shared.contracts.settings import Environment, LanguageSettings
from shared.core.errors import ContractError
from shared.core.ids import canonical_json, digest, hash_id
from shared.core.packing import pack, unpack
from shared.core.sessions import NEW_YORK
from shared.core.text.language import (
    SEED,
    TEMPERATURE,
    LanguageError,
    LanguageFault,
    LanguageReply,
    LanguageRequest,
    is_invented,
)
from shared.core.values import iso, plain, require
from shared.ports import Cell, Ports, Row, TableStore
from shared.stages.base.incidents import BROKEN, record_broken
from shared.stages.narrative.resting import count_failure, count_success, pass_breaker
from shared.stages.narrative.spending import DAY, Spending, set_aside, settle, spending_of, tell_spent, worst_of

logger = logging.getLogger("gatehouse.language")

ANSWERED = "OK"
"""Outcome of a call that was answered; any other is a LanguageFault."""

_MAY_BE_BILLED = frozenset({LanguageFault.TIMEOUT, LanguageFault.NONSENSE, LanguageFault.INVENTED})
"""The service has worked, though for nothing: what was set aside stays spent."""
_FAILURES = _MAY_BE_BILLED | {LanguageFault.RATE_LIMITED, LanguageFault.DOWN, LanguageFault.REFUSED}
"""What the breaker counts: the service was asked and gave nothing that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageCall:
    """A question that was to be put, and what came of it: a reply or a fault.

    Attributes
    ----------
    record : str
        Name in container language of the question's record; it exists where there is a reply.
    reply : LanguageReply or None
    fault, why : LanguageFault or None, str
        Why there is no reply, and in words.
    notices : tuple of Notice
        What a person is to be told.
    """

    record: str = ""
    reply: LanguageReply | None = None
    fault: LanguageFault | None = None
    why: str = ""
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        require((self.reply is None) != (self.fault is None), "fault", self.fault, "there where no reply is")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A question, what else its answer depends on, and its first answer.

    No time is in it: a day that is run again leaves the same bytes.
    """

    schema_id: str = "language-call.v1"
    model: str
    slots: int
    temperature: float
    seed: int
    request: LanguageRequest
    text: str
    answered_by: str
    tokens_in: int
    tokens_out: int
    finish: str

    @property
    def name(self) -> str:
        """Its name in container language."""
        asked = {
            "model": self.model,
            "slots": self.slots,
            "temperature": self.temperature,
            "seed": self.seed,
            "max_tokens": self.request.max_tokens,
            "schema": self.request.schema,
            "prompt_id": self.request.prompt_id,
            "system": self.request.system,
            "user": self.request.user,
        }
        return f"{digest(canonical_json(asked))}.json.gz"

    @property
    def reply(self) -> LanguageReply:
        """The answer, which took no time."""
        return LanguageReply(
            text=self.text,
            model=self.answered_by,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            latency_ms=0,
            finish=self.finish,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedLanguage:
    """A `LanguageModel` for replay and backtest: `ask` finds what is recorded, and this has no answer to the rest.

    With it nothing is ever asked or written.

    Parameters
    ----------
    settings : LanguageSettings
        Of the run that is replayed.
    faults : mapping of str to LanguageFault
        What became of the questions that got no answer then, by `record_name` (see `faults_of`).
    """

    settings: LanguageSettings
    faults: Mapping[str, LanguageFault] = field(default_factory=dict)

    def ask(self, request: LanguageRequest, *, timeout_s: float) -> LanguageReply:
        """Raise LanguageError: the fault of then, or UNRECORDED."""
        name = record_name(self.settings, request)
        raise LanguageError(self.faults.get(name, LanguageFault.UNRECORDED), f"there is no record {name}")


def record_name(settings: LanguageSettings, request: LanguageRequest) -> str:
    """Name in container language of a question's record: the hash of all that an answer to it depends on.

    Two models, numbers of slots, parameters, schemas, prompts or evidences never share one.
    """
    nothing = LanguageReply(text="", model="", tokens_in=0, tokens_out=0, latency_ms=0, finish="")
    return _record(settings, request, nothing).name


def ask(
    ports: Ports,
    request: LanguageRequest,
    *,
    on: date,
    deadline_s: float,
    judge: Callable[[LanguageReply], str],
    is_repair: bool = False,
) -> LanguageCall:
    """Ask the language model, unless the question has been answered before or may not be put.

    Where no address is configured, storage is not touched.

    Parameters
    ----------
    on : date
        New York date, whose budget pays.
    deadline_s : float
        How long to wait for an answer.
    judge : callable
        What an answer is found to be, in a word for its row in table calls.
    is_repair : bool
        Whether the question is put because an earlier answer was of the wrong form.

    Returns
    -------
    LanguageCall
        With a fault wherever there is no answer: nothing that a service does raises.

    Raises
    ------
    TransientError
        Where storage does not answer.
    """
    replayed = ports.language if isinstance(ports.language, RecordedLanguage) else None
    settings = replayed.settings if replayed else ports.settings.language
    if not settings.url and not replayed:
        return LanguageCall(fault=LanguageFault.OFF, why=f"{LanguageFault.OFF}: GATEHOUSE_LANGUAGE_URL is not set")
    name = record_name(settings, request)
    try:
        if (reply := _recorded(ports, name)) is not None:
            return LanguageCall(record=name, reply=reply)
        if replayed:
            replayed.ask(request, timeout_s=deadline_s)
    except LanguageError as error:
        return LanguageCall(record=name, fault=error.fault, why=str(error))
    return _Question(ports=ports, request=request, name=name, on=on, judge=judge, is_repair=is_repair).put(deadline_s)


def faults_of(tables: TableStore, on: date) -> Mapping[str, LanguageFault]:
    """What became of a date's questions that got no answer, by the name of the record that there would have been."""
    rows = tables.query(Table.CALLS, str(on), key_from="0", columns=("record", "outcome"))
    unanswered = [(str(row["record"]), str(row["outcome"])) for _, row in rows if row["outcome"] != ANSWERED]
    return {name: LanguageFault(fault) for name, fault in unanswered}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A question that has no record yet."""

    ports: Ports
    request: LanguageRequest
    name: str
    on: date
    judge: Callable[[LanguageReply], str]
    is_repair: bool

    def put(self, deadline_s: float) -> LanguageCall:
        """Ask, where breaker and budget allow it, and keep what comes."""
        ports, settings = self.ports, self.ports.settings.language
        if deadline_s <= 0:
            return self._unanswered(LanguageError(LanguageFault.TIMEOUT, "no time is left to ask"))
        worst = worst_of(settings, self.request)
        try:
            was_sound = pass_breaker(ports)
            set_aside(ports, self.on, worst)
        except LanguageError as error:
            is_spent = error.fault is LanguageFault.BUDGET
            return self._unanswered(error, notices=tell_spent(ports, self.on, str(error)) if is_spent else ())
        except BROKEN as error:  # what is spent is not known: nothing more is, until a person has seen to it
            refused = LanguageError(LanguageFault.BUDGET, f"what {self.on} has spent cannot be read: {error}")
            return self._unanswered(refused, notices=record_broken(ports, Table.CALLS, self.on, DAY, error))
        try:
            reply = self._reply(deadline_s)
        except LanguageError as error:
            used = worst if error.fault in _MAY_BE_BILLED else Spending()
            if used != worst:
                settle(ports, self.on, worst, used)
            notices = count_failure(ports, self.on, str(error)) if error.fault in _FAILURES else ()
            return self._unanswered(error, used=used, notices=notices)
        kept = self._keep(reply)
        used = spending_of(settings, reply.tokens_in, reply.tokens_out)
        settle(ports, self.on, worst, used)
        notices = () if was_sound else count_success(ports)
        status = self.judge(kept)
        self._write(_call_row(self, used, ANSWERED, model=reply.model, latency_ms=reply.latency_ms, status=status))
        return LanguageCall(record=self.name, reply=kept, notices=tuple(notices))

    def _reply(self, deadline_s: float) -> LanguageReply:
        try:
            reply = self.ports.language.ask(self.request, timeout_s=deadline_s)
        except LanguageError:
            raise
        except Exception as error:  # whatever a stranger's answer does to its adapter, price-only trading goes on
            logger.warning("the language model's adapter failed", exc_info=True)
            raise LanguageError(LanguageFault.NONSENSE, f"the adapter failed ({type(error).__name__})") from error
        if reply.latency_ms > 1000 * deadline_s:  # recorded, it would count when the question comes again
            raise LanguageError(LanguageFault.TIMEOUT, f"it took {reply.latency_ms} ms of {1000 * deadline_s:.0f}")
        return reply

    def _unanswered(
        self, error: LanguageError, *, used: Spending | None = None, notices: list[Notice] | tuple[()] = ()
    ) -> LanguageCall:
        self._write(_call_row(self, used or Spending(), error.fault, model=self.ports.settings.language.model))
        return LanguageCall(record=self.name, fault=error.fault, why=str(error), notices=tuple(notices))

    def _keep(self, reply: LanguageReply) -> LanguageReply:
        """Record an answer. The first that is recorded is the answer, for whoever has paid for another one too."""
        data = self.ports.codec.encode(_record(self.ports.settings.language, self.request, reply)).encode()
        if not self.ports.blobs.insert(Container.LANGUAGE, self.name, pack(data)):
            with suppress(LanguageError):
                return _recorded(self.ports, self.name) or reply
        return reply

    def _write(self, cells: Row) -> None:
        now = self.ports.clock.now()
        key = f"{now.astimezone(NEW_YORK):%H%M%S.%f}|{hash_id('call', self.name, iso(now))}"
        self.ports.tables.put(Table.CALLS, str(self.on), key, cells)


def _call_row(
    question: _Question,
    used: Spending,
    outcome: str,
    *,
    model: str,
    latency_ms: int | None = None,
    status: str | None = None,
) -> dict[str, Cell]:
    return {
        "model": model,
        "prompt_id": question.request.prompt_id,
        "tokens_in": used.tokens_in,
        "tokens_out": used.tokens_out,
        "latency_ms": latency_ms,
        "outcome": outcome,
        "is_repair": question.is_repair,
        "status": status,
        "usd": plain(used.usd),
        "record": question.name,
    }


def _record(settings: LanguageSettings, request: LanguageRequest, reply: LanguageReply) -> CallRecord:
    return CallRecord(
        model=settings.model,
        slots=settings.slots,
        temperature=TEMPERATURE,
        seed=SEED,
        request=request,
        text=reply.text,
        answered_by=reply.model,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        finish=reply.finish,
    )


def recorded_call(ports: Ports, name: str) -> CallRecord | None:
    """Read a record by its name, None where there is none. Raises ContractError."""
    stored = ports.blobs.get(Container.LANGUAGE, name)
    return None if stored is None else ports.codec.decode(CallRecord, unpack(stored.value))


def _recorded(ports: Ports, name: str) -> LanguageReply | None:
    """Return the recorded answer to a question, None where there is none.

    Raises
    ------
    LanguageError
        Where the record is broken or another question's, or its answer may not be used here.
    """
    try:
        record = recorded_call(ports, name)
    except ContractError as error:
        raise LanguageError(LanguageFault.NONSENSE, f"record {name} cannot be read: {error}") from error
    if record is None:
        return None
    if record.name != name:
        raise LanguageError(LanguageFault.NONSENSE, f"record {name} is of another question")
    if is_invented(record.answered_by) and ports.settings.broker.environment is not Environment.SANDBOX:
        raise LanguageError(LanguageFault.INVENTED, f"record {name} is of the sandbox's commentator")
    return record.reply

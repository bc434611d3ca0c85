"""`python -m sandbox narrate --committee`: a real language model sits on the committee for the last day's proposals.

Each is asked about as the app asks: the same evidence, prompts, adapter, parser, grounding and deadline. Nothing is
stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

from rich.console import Console

from sandbox.books import opened
from sandbox.narrate import quantile, service_or_local
from sandbox.replay import last_day
from sandbox.state import DAY_FOLDER
from shared.adapters.language import ChatCompletions
from shared.contracts.prompts import committee_prompts
from shared.contracts.records import Container
from shared.contracts.settings import LanguageSettings
from shared.core.committee.deliberation import Answered, Ask, deliberation
from shared.core.committee.evidence import CommitteeEvidence, CommitteeQuestion
from shared.core.committee.values import ABSTAIN, CommitteeRole, Deliberation
from shared.core.errors import SettingsError
from shared.core.text.language import LanguageError
from shared.core.values import Symbol
from shared.ports import LanguageModel, NightPorts
from shared.stages.entry.deliberate import committee_evidence, committee_names
from shared.stages.evidence.nightly import load_case


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An entry that came before a committee: what it was shown, and what the companies in it are called."""

    evidence: CommitteeEvidence
    names: Mapping[Symbol, tuple[str, ...]]


def proposals(ports: NightPorts) -> Iterator[Proposal]:
    """Yield what a committee sat on of the last day that has cases, in the order of its decisions."""
    on = last_day(ports)
    cases = [load_case(ports, name) for name in ports.blobs.names(Container.CASES, f"{on}/")]
    signals = [
        each.inputs.signal
        for each in cases
        if each is not None and each.inputs.facts is not None and each.inputs.facts.committee is not None
    ]
    for signal in sorted(filter(None, signals), key=lambda each: (each.decided_at, each.decision_id)):
        evidence = committee_evidence(ports, signal)
        yield Proposal(evidence=evidence, names=committee_names(ports, signal, evidence))


def asking(language: LanguageModel) -> Ask:
    """Return how a committee puts its questions to a language model, without records."""

    def ask(question: CommitteeQuestion, timeout_s: float) -> Answered:
        try:
            return language.ask(question.request, timeout_s=timeout_s), "", ""
        except LanguageError as error:
            return None, str(error), ""

    return ask


def timed(
    language: LanguageModel, proposal: Proposal, *, max_tokens: int, timeout_s: float
) -> tuple[Deliberation, int]:
    """Deliberate on a proposal in real time; return what came of it and the milliseconds that it took."""
    began = perf_counter()
    found = deliberation(
        asking(language),
        proposal.evidence,
        names=proposal.names,
        prompts=committee_prompts(),
        max_tokens=max_tokens,
        timeout_s=timeout_s,
        default=ABSTAIN,
        weights={},
    )
    return found, round(1000 * (perf_counter() - began))


def deliberate(
    console: Console,
    *,
    folder: Path = DAY_FOLDER,
    storage: str = "",
    count: int,
    timeout_s: float,
    settings: LanguageSettings | None,
) -> int:
    """Show what a committee of a language model says of proposals, each role's answers counted; return the exit code.

    It is 1 where no role has ever answered. `settings` as `narrate` takes them, but that SmolLM2 has a slot a role.

    Raises
    ------
    SettingsError
        If no day has been finished, or none of its entries came before a committee.
    """
    done: list[tuple[Deliberation, int]] = []
    with opened(storage, folder) as ports:
        asked = [*islice(proposals(ports), count)]
        max_tokens = ports.settings.committee.max_tokens
    if not asked:
        raise SettingsError("no committee has sat on that day's entries: GATEHOUSE_COMMITTEE says whose it sits on")
    with service_or_local(settings, slots=len(CommitteeRole)) as service:
        told = f"{service.model} at {service.url}, proposals of {asked[0].evidence.at:%Y-%m-%d}, {timeout_s:g} s each"
        console.print(told, markup=False)
        language = ChatCompletions(service, is_sandbox=True)
        for proposal in asked:
            found, took_ms = timed(language, proposal, max_tokens=max_tokens, timeout_s=timeout_s)
            done.append((found, took_ms))
            symbol = proposal.evidence.symbol
            console.print(f"{took_ms / 1000:5.1f} s  {symbol:<6} x {found.factor}: {found.why}", markup=False)
    console.print(counted_roles(done), markup=False)
    return 0 if any(each.answer for found, _ in done for each in found.outcomes) else 1


def counted_roles(done: Sequence[tuple[Deliberation, int]]) -> str:
    """Say what came of each role's questions, which factors they came to, and how long deliberations took."""
    outcomes = {
        role: Counter(each.fault or "valid" for found, _ in done for each in found.outcomes if each.role is role)
        for role in CommitteeRole
    }
    factors = Counter(str(found.factor) for found, _ in done)
    p50, p99, most = (quantile([ms for _, ms in done], share) / 1000 for share in (0.5, 0.99, 1))
    parts = [
        f"{role:<8} " + ", ".join(f"{n} {what}" for what, n in found.most_common()) for role, found in outcomes.items()
    ]
    parts.append("factors  " + ", ".join(f"{n} x {factor}" for factor, n in sorted(factors.items())))
    return "\n".join([*parts, f"{len(done)} deliberations: p50 {p50:.2f} s, p99 {p99:.2f} s, at most {most:.2f} s"])

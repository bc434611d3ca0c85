"""What a person reads of a day and of a week. Pure, as `notices` says."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from shared.contracts.messages import NoticeText
from shared.contracts.reports import DayReport
from shared.core.refusals import HEAD, Refuser, sections, spelled, worth
from shared.core.review import Review
from shared.core.text.narratives import NarrativeStatus
from shared.core.text.review_note import ReviewNote
from shared.core.values import ZERO
from shared.stages.base.notices import counts, notice_text, signed_usd, usd


def day_summary(day: DayReport) -> NoticeText:
    """The day's last notice."""
    played, slippage = day.wins + day.losses, day.mean_entry_slippage_bp
    by_session = ", ".join(f"{name} {Decimal(value):+,.2f}" for name, value in day.realised_by_session.items())
    return notice_text(
        f"Day {day.on}: {Decimal(day.realised_usd):+.2f} USD realised, {day.wins} won, {day.losses} lost",
        [
            f"Equity {usd(Decimal(day.equity_usd))}, {signed_usd(Decimal(day.day_change_usd or 0))} on the day"
            if day.equity_usd is not None
            else None,
            f"Hit rate {day.wins / played:.0%} of {played}" if played else "No position was closed",
            f"By session: {by_session}" if by_session else None,
            *(
                f"{name}: {Decimal(each.realised_usd):+,.2f} USD, {each.wins} won, {each.losses} lost"
                for name, each in day.by_strategy.items()
            ),
            f"Entry slippage {slippage:+.1f} bp on average" if slippage is not None else None,
            f"Orders: {counts(day.orders)}; {day.fills} fills" if day.orders else "No orders",
            f"Left by: {counts(day.exits)}" if day.exits else None,
            f"Watched {day.watchlist}, scored {day.scored}, decided {counts(day.decisions) or 'nothing'}",
            f"Refused by: {counts(day.refused_by)}" if day.refused_by else None,
            f"{day.open_positions} positions are still open" if day.open_positions else None,
            f"Incidents {day.incidents}, of them {day.quarantined} in quarantine" if day.incidents else "No incidents",
        ],
    )


def weekly_figures(made: Review) -> Sequence[str]:
    """The week's figures line by line, as its notice and its report have them, without a date or a name."""
    total = made.total
    realised = signed_usd(Decimal(total.realised_usd) if total else ZERO)
    return [
        f"{realised} realised in {total.trips if total else 0} orders and {made.sessions} sessions",
        *weekly_summary(made, "").body.splitlines(),
        *(
            f"{each.trips} orders with a prediction of {each.low:.2f} to {each.high:.2f}: {each.predicted:.1%} "
            f"predicted, {each.observed:.1%} won"
            for each in made.calibration
        ),
        *([f"Brier score {made.brier}"] if made.brier is not None else []),
        *([] if made.proposals else ["Nothing is proposed: no change"]),
    ]


def _note_lines(note: ReviewNote | None) -> list[str]:
    """What a model made of the week, under its name, or why there is nothing; empty where none was asked."""
    if note is None:
        return []
    if note.status is not NarrativeStatus.TOLD:
        return [f"No note: {note.status}, {note.fault}"]
    return [f"Note by {note.model}: {note.note}", *note.findings]


def weekly_summary(made: Review, proposed: str, note: ReviewNote | None = None) -> NoticeText:
    """The week's notice; `proposed` names the parameter set, empty where nothing is proposed."""
    total = made.total
    realised = Decimal(total.realised_usd) if total else ZERO
    return notice_text(
        f"Week to {made.last}: {signed_usd(realised)} realised in {total.trips if total else 0} orders",
        [
            f"Hit rate {total.hit_rate:.0%}, expectancy {total.expectancy_usd:+.2f} USD an order" if total else None,
            *(
                f"{name}: {Decimal(each.realised_usd):+,.2f} USD, {each.hit_rate:.0%} of {each.trips}"
                for name, each in (*made.by_session.items(), *made.by_strategy.items())
            ),
            f"Equity {_money_text(made.equity_first_usd)} to {_money_text(made.equity_last_usd)}, "
            f"drawdown {made.drawdown_fraction:.2%}"
            if made.equity_last_usd
            else None,
            f"Slippage: {', '.join(f'{role} {bp:+.1f} bp' for role, bp in made.slippage_bp.items())}"
            if made.slippage_bp
            else None,
            f"Refused by: {counts(made.refused_by)}" if made.refused_by else None,
            *(f"Refusals {worth(each)}" for each in made.refusals if each.part is Refuser.ALL and each.filled),
            f"Incidents: {counts(made.incidents)}" if made.incidents else "No incidents",
            f"{made.missed_jobs} job slots missed" if made.missed_jobs else None,
            *(f"Proposed: {each.setting} = {each.value}. {each.why}" for each in made.proposals),
            f"To accept: parameter set {proposed}" if proposed else None,
            *_note_lines(note),
        ],
    )


def weekly_text(made: Review, proposed: str, note: ReviewNote | None = None) -> str:
    """The week's report as Markdown: what the notice says, the calibration, and the note."""
    text = weekly_summary(made, proposed)
    bins = [
        f"| {each.low:.2f} to {each.high:.2f} | {each.trips} | {each.predicted:.1%} | {each.observed:.1%} |"
        for each in made.calibration
    ]
    lines = [
        f"# Week {made.first} to {made.last}",
        "",
        text.title + ".",
        "",
        *(f"- {line}" for line in text.body.splitlines()),
        "",
        "## Calibration",
        "",
        *(
            ["| Predicted | Orders | Mean prediction | Won |", "| --- | --- | --- | --- |", *bins]
            if bins
            else ["No orders."]
        ),
        *(["", f"Brier score {made.brier}."] if made.brier is not None else []),
        *_refusals_text(made),
        *(["", "## Note", "", *(f"- {line}" for line in noted)] if (noted := _note_lines(note)) else []),
    ]
    return "\n".join(lines) + "\n"


def _refusals_text(made: Review) -> list[str]:
    """A table for each kind of refuser; nothing where nothing was followed."""
    found = ["", "## Value of refusals"] if made.refusals else []
    for heading, lines in sections(made.refusals).items():
        found += ["", f"| {' | '.join((heading, *HEAD[1:]))} |", f"|{' --- |' * len(HEAD)}"]
        found += [f"| {' | '.join(spelled(each))} |" for each in lines]
    return found


def _money_text(text: str | None) -> str:
    return "unknown" if text is None else usd(Decimal(text))

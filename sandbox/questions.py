"""Example questions to the exported tables, each with its SQL for DuckDB. docs/CASES.md is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleQuery:
    """A question in words, and in SQL over views named as the tables."""

    asks: str
    sql: str


QUESTIONS: Mapping[str, ExampleQuery] = {
    "fills-by-session": ExampleQuery(
        asks="How much was bought and sold in each session, and at what slippage?",
        sql="""
SELECT session, side, count(*) AS fills, sum(qty) AS total_qty,
       round(sum(qty * price_usd), 2) AS value_usd,
       round(sum(slippage_bp * qty) / sum(qty) FILTER (slippage_bp IS NOT NULL), 2) AS slippage_bp
FROM fills GROUP BY session, side ORDER BY session, side
""",
    ),
    "gate-refusals": ExampleQuery(
        asks="Which gates refused, how often, and how often were they the only one?",
        sql="""
SELECT gate, count(*) AS refused, count(*) FILTER (refused_by = gate) AS alone
FROM (SELECT refused_by, unnest(string_split(refused_by, ' ')) AS gate FROM decisions WHERE refused_by <> '')
GROUP BY gate ORDER BY refused DESC, gate
""",
    ),
    "slippage-by-spread": ExampleQuery(
        asks="What does an entry cost against the mid at its decision, by the spread it met?",
        sql="""
SELECT CASE WHEN spread_bp < 5 THEN '0-5' WHEN spread_bp < 10 THEN '05-10' WHEN spread_bp < 20 THEN '10-20'
            WHEN spread_bp < 50 THEN '20-50' ELSE '50-100' END AS spread_bp,
       count(*) AS entries, round(avg(slippage_bp), 2) AS mean_bp, round(max(slippage_bp), 2) AS worst_bp
FROM (SELECT f.slippage_bp, 20000 * (d.ask_usd - d.bid_usd) / (d.ask_usd + d.bid_usd) AS spread_bp
      FROM fills f JOIN decisions d USING (intent_id) WHERE f.role = 'entry')
GROUP BY ALL ORDER BY 1
""",
    ),
    "nearness-to-limits": ExampleQuery(
        asks="How near did approved decisions come to the limit of each gate that measures?",
        sql="""
SELECT gate, count(*) AS decisions, round(max(found), 4) AS most, round(max(100 * found / bound), 1) AS most_percent
FROM (SELECT gate ->> 'gate' AS gate, TRY_CAST(gate ->> 'found' AS DOUBLE) AS found,
             TRY_CAST(ltrim(gate ->> 'limit', '<= ') AS DOUBLE) AS bound
      FROM (SELECT unnest(CAST(gates AS JSON[])) AS gate FROM decisions WHERE verdict = 'approved'))
WHERE found IS NOT NULL AND bound > 0 GROUP BY gate ORDER BY most_percent DESC, gate
""",
    ),
    "profit-by-exit": ExampleQuery(
        asks="How did positions end, and what did each kind of exit bring?",
        sql="""
SELECT exit_reason, count(*) AS positions, count(*) FILTER (realised_usd > 0) AS won,
       round(sum(realised_usd), 2) AS realised_usd, round(avg(realised_usd), 2) AS mean_usd
FROM orders WHERE phase = 'CLOSED' GROUP BY exit_reason ORDER BY realised_usd DESC
""",
    ),
    "by-strategy": ExampleQuery(
        asks="What has each strategy decided, and what did its closed positions bring?",
        sql="""
SELECT d.strategy, count(*) AS decisions, count(*) FILTER (d.verdict = 'approved') AS approved,
       count(*) FILTER (o.phase = 'CLOSED') AS positions, count(*) FILTER (o.realised_usd > 0) AS won,
       round(sum(o.realised_usd), 2) AS realised_usd,
       round(avg(10000 * o.realised_usd / (o.entry_usd * o.bought_qty)) FILTER (o.phase = 'CLOSED'), 1) AS mean_bp
FROM decisions d LEFT JOIN orders o USING (intent_id) GROUP BY d.strategy ORDER BY d.strategy
""",
    ),
    "policy-by-session": ExampleQuery(
        asks="What did policy make of the candidates, session by session?",
        sql="""
SELECT session, policy, count(*) AS opinions, round(avg(edge), 4) AS mean_edge,
       round(avg(expected_move_bp), 2) AS mean_move_bp, round(avg(cost_bp), 2) AS mean_cost_bp
FROM signals WHERE session IS NOT NULL GROUP BY session, policy ORDER BY session, opinions DESC, policy
""",
    ),
    "binding-bound": ExampleQuery(
        asks="Which bound set the size, and what would the others have allowed?",
        sql="""
SELECT bound, count(*) AS decisions, round(avg(qty), 1) AS mean_qty,
       round(avg(CAST(bounds ->> 'kelly' AS DOUBLE)), 1) AS mean_kelly,
       round(avg(CAST(bounds ->> 'volatility' AS DOUBLE)), 1) AS mean_volatility
FROM decisions WHERE bound IS NOT NULL GROUP BY bound ORDER BY decisions DESC, bound
""",
    ),
    "time-to-protect": ExampleQuery(
        asks="How long from the decision to a position under its stop?",
        sql="""
SELECT j.symbol, date_diff('second', d.decided_at, min(j.at)) AS seconds
FROM journal j JOIN decisions d USING (intent_id) WHERE j.phase = 'PROTECTED'
GROUP BY j.symbol, j.intent_id, d.decided_at ORDER BY seconds DESC, 1
""",
    ),
    "steps-of-orders": ExampleQuery(
        asks="How many steps and repricings did orders take?",
        sql="""
SELECT o.phase, count(DISTINCT j.intent_id) AS orders, count(*) AS steps,
       count(*) FILTER (j.command = 'submit_entry') AS entries_sent
FROM journal j JOIN orders o USING (intent_id) GROUP BY o.phase ORDER BY steps DESC, 1
""",
    ),
    "equity-path": ExampleQuery(
        asks="How did equity and exposure go over the day?",
        sql="""
SELECT session, count(*) AS marks, round(min(equity_usd), 2) AS least_usd, round(max(equity_usd), 2) AS most_usd,
       round(max(exposure_usd), 2) AS most_exposed_usd, max(positions) AS most_positions
FROM ledger GROUP BY session ORDER BY min(row_key)
""",
    ),
}


def questions_text() -> str:
    """The questions as Markdown."""
    parts = [f"`{name}`: {item.asks}\n\n```sql\n{item.sql.strip()}\n```" for name, item in QUESTIONS.items()]
    return "\n\n".join(parts)

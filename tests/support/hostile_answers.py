"""Answers that a broken, careless or hostile model could give, made by a seeded grammar: most are no good."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NUMBERS = (
    "1", "0", "-1", "0.5", "-0", "5", "-1.0000001", "1.0000001", "1e308", "-1e308", "1e400", "NaN", "Infinity",
    "-Infinity", "9" * 400, "true", "false", "null", '"1"', '"0.5"', '"NaN"', "[0.5]", "{}", "01", "+1", ".5",
    "1.", "0x1", "1_0", "1e-400", "\u0661", "\uff11", "0,5", "--1", "1e", "[]", '""', "0.5 0.5", "1e1", "1E0",
)  # fmt: skip
_IDS = (
    '["S1"]', '["S2"]', '["S1", "S2"]', '["S1", "S1"]', '["S3"]', '["s1"]', '["S1 "]', '[" S1"]',
    '["S\\u200b1"]', "[]", '"S1"', "null", '["S1", null]', "[1]", '[["S1"]]', '["story-1"]', '["*"]', '["S0"]',
    '["../S1"]', '[{"id": "S1"}]', json.dumps(["S1"] * 13), json.dumps([f"S{k}" for k in range(100)]),
    '["\\ud800"]', '["S1\\u0000"]', '["\uff331"]',
)  # fmt: skip
_TAILS = (
    "", " Thanks.", " Profit tripled.", " It is worth $9 million.", " Up 12%.", " Up 12 percent.",
    " Up 12 points.", " Up 13%.", " GLOBX gains.", " $GLOBX gains.", " Globex gains.", " ACME gains.",
    " $ACME gains.", " \u0410CME gains.", " See https://evil.example/x.", " See evil.example/x?y=1.", " [x](y)",
    " mail a@b.example.", " Up \u0661\u0662%.", " Up \u0663%.", " Up \uff11\uff12%.", " Up \u00bd.",
    " Up \u2163.", " \u767e\u4e07.", " Up 1\u200b3%.", " Up 12\u20e3.", " \\ud83d\\ude00", " \\ud800",
    " \\u0000", " COMPANY_1 gains.", " TICKER_1 gains.", " COMPANY_7 gains.", " Two hundred.", " A dozen.",
    " one of many.", " One percent.", " The first quarter.", ' \\"We lie\\".', " IT", " Q7", " \\u202e\\u2066",
    " 3.4 million", " $3.4M", " $3,400,000", " 3.4 billion", " 34%", " -12%", " \\uFDFA" * 30,
)  # fmt: skip
_KEYS = ("summary", "score", "confidence", "entities", "quotes", "source_ids")


_FACTORS = ("0", "0.25", "0.5", "0.75", "1", "0.3", "1.0", "2", "1e0", "0.50", "-0", "1.0000000000000001")
_STANCES = ("approve", "shrink", "veto", "APPROVE", "hold", "enlarge", "approve ", "\u200bveto", "")
_HUGE = (
    "9" * 1_000_000,
    '{"summary": "' + "x" * 1_000_000 + '"}',
    "[" * 100_000,
    '{"a":' * 50_000,
    "\u200b" * 1_000_000,
)


def hostile_role_answers(seed: int, count: int) -> Iterator[str]:
    """Yield answers of a committee's role that was shown S1 and S2, the same for the same seed."""
    rng = random.Random(seed)
    honest = (("approve", "1"), ("shrink", "0.25"), ("shrink", "0.5"), ("shrink", "0.75"), ("veto", "0"))
    for _ in range(count):
        if rng.random() < 0.0005:
            yield rng.choice(_HUGE)
            continue
        stance, factor = rng.choice(honest)
        parts = {"stance": f'"{stance}"', "factor": factor, "reason": '"Fair."', "sources": '["S1"]'}
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            key = rng.choice((*parts, "qty"))
            odd = {
                "stance": (f'"{rng.choice(_STANCES)}"', *_NUMBERS),
                "factor": (*_FACTORS, *_NUMBERS),
                "reason": (f'"{rng.choice(_TAILS)}"', '""', '"' + "x" * rng.choice((80, 81, 9000)) + '"', "5", "null"),
                "sources": _IDS,
            }
            if rng.random() < 0.1:
                parts.pop(key, None)
            else:
                parts[key] = rng.choice(odd.get(key, ("5",)))
        text = _object(rng, parts)
        yield _wrapped(rng, f'{text[:-1]}, "factor": 1}}' if rng.random() < 0.03 else text)


def hostile_answers(
    seed: int, count: int, *, texts: Sequence[str], entities: Sequence[str] = ("Acme",)
) -> Iterator[str]:
    """Yield answers to a question whose stories S1, S2, ... have these headlines, the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(count):
        if rng.random() < 0.0005:
            yield rng.choice(_HUGE)
            continue
        parts = _honest(rng, texts, entities)
        for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 3))):
            _spoil(rng, parts, texts)
        yield _wrapped(rng, _object(rng, parts))


def _honest(rng: random.Random, texts: Sequence[str], entities: Sequence[str]) -> dict[str, str]:
    k = rng.randrange(len(texts))
    words = texts[k].split()
    at = rng.randrange(len(words))
    quotes = [{"text": " ".join(words[at : at + 3]), "story_id": f"S{k + 1}"}] if rng.random() < 0.5 else []
    honest: Mapping[str, Any] = {
        "summary": f"{texts[k]}.",
        "score": round(rng.uniform(-1, 1), 3),
        "confidence": round(rng.random(), 3),
        "entities": list(entities) if rng.random() < 0.5 else [],
        "quotes": quotes,
        "source_ids": [f"S{k + 1}"],
    }
    return {key: json.dumps(value) for key, value in honest.items()}


def _spoil(rng: random.Random, parts: dict[str, str], texts: Sequence[str]) -> None:
    key = rng.choice(_KEYS)
    if rng.random() < 0.1:
        parts.pop(key, None)
    elif rng.random() < 0.1:
        parts[rng.choice(("side", "qty", "factor", "Score", "score ", "", "__proto__", "tool_calls"))] = "5"
    elif key in {"score", "confidence"}:
        parts[key] = rng.choice(_NUMBERS)
    elif key == "source_ids":
        parts[key] = rng.choice(_IDS)
    elif key == "summary":
        tail = rng.choice(_TAILS)
        odd = ('""', '" "', '"\\u200b"', "5", "null", "[]", "{}", '"' + "x" * 513 + '"', '"' + "x" * 9000 + '"', "'x'")
        parts[key] = rng.choice((f'"{texts[0]}.{tail}"', f'"{tail}"', f'"{tail}"', rng.choice(odd)))
    elif key == "entities":
        odd = ('"Acme"', "null", '["Globex"]', '["ACME"]', '["acme"]', '["A"]', '[""]', "[[]]", "[5]", '["Acme","x"]')
        parts[key] = rng.choice((*odd, json.dumps(["Acme"] * 6), '["Acm"]', '["COMPANY_1"]', '["https://x.example"]'))
    else:
        text = rng.choice((texts[0], texts[0].upper(), texts[0][2:9], f"{texts[0]} 7", "x", "", "TICKER_1", "12"))
        story = rng.choice(('"S1"', '"S2"', '"S9"', "1", "null", '""'))
        quote = f'{{"text": {json.dumps(text)}, "story_id": {story}}}'
        other = ("null", "{}", "[{}]", '["x"]', '[{"text": "x"}]', f'[{quote[:-1]}, "url": "https://x"}}]')
        parts[key] = rng.choice(
            (f"[{quote}]", f"[{quote}]", f"[{quote}, {quote}]", f"[{','.join([quote] * 4)}]", *other)
        )


def _object(rng: random.Random, parts: dict[str, str]) -> str:
    items = [f'"{key}": {value}' for key, value in parts.items()]
    if rng.random() < 0.3:
        rng.shuffle(items)
    if rng.random() < 0.05:
        items.append(rng.choice(('"score": 1', '"confidence": 1', '"source_ids": ["S1"]', '"summary": "x"')))
    return f"{{{', '.join(items)}}}"


def _wrapped(rng: random.Random, text: str) -> str:
    if rng.random() < 0.75:
        return text
    cut = rng.randrange(len(text) + 1)
    return rng.choice(
        (
            f"```json\n{text}\n```",
            f"```\n{text}\n```\n",
            f"```json\n{text}\n```\n```json\n{text}\n```",
            f"Here it is:\n```json\n{text}\n```",
            f"```json\n{text}\n```\nDone.",
            f"```python\n{text}\n```",
            f"```json {text} ```",
            f"\ufeff{text}",
            f" \n\t{text}\r\n ",
            f"{text}{text}",
            f"{text} trailing",
            f"{text},",
            f"[{text}]",
            f'{{"answer": {text}}}',
            json.dumps(text),
            text[:cut],
            text[cut:],
            text.replace('"', "'"),
            text.replace("}", ",}"),
            text.replace("{", "{/* x */", 1),
            text.replace(" ", "\u00a0"),
            text.replace(":", "="),
            text.replace("{", "\uff5b"),
            f"<think>{text}</think>",
            f"{text[:cut]}\x00{text[cut:]}",
            "",
            "null",
            "{}",
            "[]",
            "I cannot help with that.",
        )
    )

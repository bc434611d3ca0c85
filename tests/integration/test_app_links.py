"""An order that waits is answered from a phone: a page that changes nothing, one answer, and then no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests

from shared.contracts.messages import OrderIntent
from shared.contracts.records import ANSWERS, Queue, Table
from shared.core.approvals import Answer
from shared.core.links import Claims, signed
from shared.core.values import iso
from shared.stages.base.links import links_of
from tests.support.app import QUIET, Sandbox
from tests.support.ports import fake_ports

type MakeSandbox = Callable[..., Sandbox]

KEY = "k3y-of-the-test-that-is-long-enough-0123456789"
PUBLIC = "http://phone.example:7071"
OPERATE = {"GATEHOUSE_LINK_KEY": KEY, "GATEHOUSE_PUBLIC_URL": PUBLIC}
ASKS = QUIET | {"GATEHOUSE_APPROVAL_FRACTION": "0.01"} | OPERATE
FORM = "application/x-www-form-urlencoded"


async def waiting(box: Sandbox, symbol: str = "SPY") -> dict[str, str]:
    """Have an order that waits; return the tokens of its question by answer."""
    box.send(Queue.SIGNALS, box.signal(symbol))
    await box.until("10:01:30")
    (order,) = box.rows(Table.ORDERS).values()
    assert order["phase"] == "APPROVAL_PENDING"
    (decision,) = box.rows(Table.DECISIONS).values()
    ports = fake_ports(box.clock.now(), GATEHOUSE_LINK_KEY=KEY, GATEHOUSE_PUBLIC_URL=PUBLIC)
    intent = ports.codec.decode(OrderIntent, decision["intent"])
    assert intent.approve_by is not None
    links = links_of(ports, intent, intent.approve_by)
    head = f"{PUBLIC}/api/answer?token="
    assert all(link.url.startswith(head) for link in links)
    return {link.label.lower(): link.url.removeprefix(head) for link in links}


async def opened(box: Sandbox, token: str) -> requests.Response:
    """Open a link as a phone or a chat program does: without a key."""
    return await asyncio.to_thread(requests.get, f"{box.host.url}/api/answer", params={"token": token}, timeout=300)


async def pressed(box: Sandbox, token: str, **options: Any) -> requests.Response:
    """Press the page's button."""
    given: dict[str, Any] = {"data": {"token": token, "reason": "as planned"}, "timeout": 300} | options
    return await asyncio.to_thread(requests.post, f"{box.host.url}/api/answer", **given)


def phase(box: Sandbox) -> str:
    (order,) = box.rows(Table.ORDERS).values()
    return str(order["phase"])


def acts(box: Sandbox) -> list[tuple[str, str, str, int]]:
    return [(row["act"], row["by"], row["reason"], row["status"]) for row in box.rows(Table.CONTROLS).values()]


def test_opening_a_link_shows_the_order_and_changes_nothing_however_often(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        tokens = await waiting(box)
        (order,) = box.rows(Table.ORDERS).values()
        for _ in range(3):
            page = await opened(box, tokens["approve"])
            assert page.status_code == 200
            for shown in (
                "SPY",
                str(order["qty"]),
                order["limit_usd"],
                order["stop_usd"],
                "Approve SPY",
                "of the account",
            ):
                assert shown in page.text
            assert "New York (UTC-4)" in page.text
            assert "Quote now" in page.text
        await box.for_s(10)
        assert phase(box) == "APPROVAL_PENDING"
        assert box.rows(Table.CONTROLS) == box.rows(Table.CONTROLS, ANSWERS) == {}
        assert box.venue_log() == []
        assert "Refuse SPY" in (await opened(box, tokens["refuse"])).text

    sandbox(settings=ASKS).run(scenario)


def test_the_page_is_kept_by_nobody_framed_by_nobody_and_runs_nothing(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        tokens = await waiting(box)
        for page in (await opened(box, tokens["approve"]), await opened(box, "x")):
            policy = page.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert page.headers["Cache-Control"] == "no-store"
            assert page.headers["Referrer-Policy"] == "no-referrer"
            assert page.headers["Content-Type"].startswith("text/html")
            assert "<script" not in page.text

    sandbox(settings=ASKS).run(scenario)


def test_an_answer_is_taken_once_and_uses_up_both_links(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        tokens = await waiting(box)
        done = await pressed(box, tokens["approve"])
        assert (done.status_code, "approved" in done.text) == (200, True)
        for token in tokens.values():
            assert (await pressed(box, token)).status_code == 410
            assert (await opened(box, token)).status_code == 410
        await box.for_s(60)
        assert phase(box) == "PROTECTED"
        assert box.bought() == {"SPY": 1}
        assert acts(box).count(("approve", "link", "as planned", 200)) == 1
        assert [act for act in acts(box) if act[3] == 410] != []
        assert box.trace.errors == []

    sandbox(settings=ASKS).run(scenario)


def test_a_reason_given_by_link_is_one_line_of_what_can_be_shown(
    sandbox: MakeSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    reason = "odd\r\nCRITICAL forged\u2028INFO \u202eall is well"

    async def scenario(box: Sandbox) -> None:
        tokens = await waiting(box)
        form = {"token": tokens["refuse"], "reason": reason}
        assert (await pressed(box, tokens["refuse"], data=form)).status_code == 200
        await box.for_s(5)
        kept = "odd\ufffd\ufffdCRITICAL forged\ufffdINFO \ufffdall is well"
        assert acts(box) == [("refuse", "link", kept, 200)]
        lines = [record.getMessage() for record in caplog.records if record.name.startswith("gatehouse")]
        assert any(kept in line for line in lines)
        assert all(line.isprintable() for line in lines)

    caplog.set_level(logging.INFO)
    sandbox(settings=ASKS).run(scenario)


def test_two_answers_at_the_same_moment_are_one(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        tokens = await waiting(box)
        answers = await asyncio.gather(*(pressed(box, tokens[name]) for name in ("refuse", "approve", "refuse")))
        assert sorted(answer.status_code for answer in answers) == [200, 410, 410]
        await box.for_s(60)
        assert len([act for act in acts(box) if act[3] == 200]) == 1

    sandbox(settings=ASKS).run(scenario)


def test_an_approval_through_the_api_uses_up_both_links_and_the_page_says_what_the_order_is(
    sandbox: MakeSandbox,
) -> None:
    async def scenario(box: Sandbox) -> None:
        tokens = await waiting(box)
        (order,) = box.rows(Table.ORDERS).values()
        body = {"by": "test", "reason": "drill", "intent_id": order["intent_id"], "approve": True}
        assert (await box.http("POST", "/api/approve", body))[0] == 200
        await box.for_s(60)
        late = await pressed(box, tokens["refuse"])
        assert late.status_code == 410
        assert "is PROTECTED; approved by test" in late.text
        assert phase(box) == "PROTECTED"

    sandbox(settings=ASKS).run(scenario)


def test_a_refusal_by_link_is_the_answer_that_the_api_is_told_of(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        tokens = await waiting(box)
        (order,) = box.rows(Table.ORDERS).values()
        assert (await pressed(box, tokens["refuse"])).status_code == 200
        body = {"by": "test", "reason": "drill", "intent_id": order["intent_id"], "approve": True}
        status, said = await box.http("POST", "/api/approve", body)
        assert (status, "refused by link" in said["error"]) == (409, True)
        await box.for_s(60)
        assert phase(box) == "DENIED"
        assert box.venue_log() == []

    sandbox(settings=ASKS).run(scenario)


def test_a_refusal_by_link_is_never_sent(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        tokens = await waiting(box)
        assert (await pressed(box, tokens["refuse"])).status_code == 200
        await box.for_s(60)
        assert phase(box) == "DENIED"
        assert box.venue_log() == []

    sandbox(settings=ASKS).run(scenario)


def test_forged_expired_and_malformed_answers_change_nothing(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        tokens = await waiting(box)
        (order,) = box.rows(Table.ORDERS).values()
        now = box.clock.now()
        old = now - timedelta(seconds=1)
        claims = Claims(
            intent_id=order["intent_id"],
            on=now.date(),
            symbol=order["symbol"],
            answer=Answer.APPROVE,
            expires_at=old,
        )
        lasting = replace(claims, expires_at=now + timedelta(days=1))
        bad = {
            signed(claims, KEY): 410,
            signed(lasting, "another-key-of-the-same-length-0123456789"): 403,
            tokens["refuse"].split(".")[0] + "." + tokens["approve"].split(".")[1]: 403,
            tokens["approve"][:-1]: 403,
            "": 403,
            "../../controls": 403,
            "<script>alert(1)</script>": 403,
        }
        for token, status in bad.items():
            assert (await opened(box, token)).status_code == status, token
            answer = await pressed(box, token)
            assert answer.status_code == status, token
            assert "<script>alert" not in answer.text
        assert iso(old) in (await opened(box, signed(claims, KEY))).text
        text = f"token={tokens['approve']}"
        json_body = {"data": text, "headers": {"Content-Type": "application/json"}}
        assert (await pressed(box, "", **json_body)).status_code == 415
        long_body = {"data": text + "&reason=" + "x" * 9000, "headers": {"Content-Type": FORM}}
        assert (await pressed(box, "", **long_body)).status_code == 413
        for data in (
            b"reason=x",
            b"\xff\xfe=1",
            b"a=1&" * 40 + text.encode(),
            text.encode() + b"&reason=" + b"x" * 501,
        ):
            answer = await pressed(box, "", data=data, headers={"Content-Type": FORM})
            assert answer.status_code == 400, data[:20]
        await box.for_s(5)
        assert phase(box) == "APPROVAL_PENDING"
        assert not [act for act in acts(box) if act[3] != 410], "what anybody can make up is not worth a row"
        assert box.rows(Table.CONTROLS, ANSWERS) == {}

    sandbox(settings=ASKS).run(scenario)


def test_a_link_of_another_order_answers_for_no_other(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        await waiting(box)
        until = box.clock.now() + timedelta(minutes=2)
        claims = Claims(
            intent_id="feedface",
            on=until.date(),
            symbol=box.signal("SPY").symbol,
            answer=Answer.REFUSE,
            expires_at=until,
        )
        assert (await pressed(box, signed(claims, KEY))).status_code == 410
        await box.for_s(5)
        assert phase(box) == "APPROVAL_PENDING"

    sandbox(settings=ASKS).run(scenario)


def test_without_a_link_key_the_page_is_off(sandbox: MakeSandbox) -> None:
    async def scenario(box: Sandbox) -> None:
        assert (await opened(box, "x.y")).status_code == 404
        assert (await pressed(box, "x.y")).status_code == 404

    sandbox(settings=QUIET | {"GATEHOUSE_LINK_KEY": "", "GATEHOUSE_PUBLIC_URL": ""}, with_models=False).run(scenario)

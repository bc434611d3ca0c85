"""Imported once by the process that others are forked from: what they would each have to build first is built here."""

from __future__ import annotations

import azure.data.tables  # noqa: F401

from shared.adapters import alpaca_http  # noqa: F401
from shared.bootstrap import JsonCodec
from shared.core.order_states import OrderState
from shared.core.order_steps import StepCall, next_step
from shared.stages.order import step as order  # noqa: F401
from tests.support import mortal  # noqa: F401
from tests.support.orders import NOW, ON, PLAN
from tests.support.processes import shared_ports

STATE = OrderState(plan=PLAN, on=ON)
CALL = StepCall(state=STATE, step=next_step(STATE, NOW))
for value in (STATE, CALL):
    JsonCodec().decode(type(value), JsonCodec().encode(value))
shared_ports("UseDevelopmentStorage=true", venue_url="http://127.0.0.1:1").calendar.day(ON)

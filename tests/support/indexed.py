"""What the function app declares. The library lists an app's functions once, so they are listed here for all."""

from __future__ import annotations

from function_app import app

FUNCTIONS = tuple(app.get_functions())

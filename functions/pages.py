"""The few HTML pages: what a signed link opens. What is not ours is escaped; no script, no foreign source."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from string import Template

STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem}table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:400;opacity:.7;padding:.2rem 1rem .2rem 0}td{text-align:right}
label{display:block;margin:1.5rem 0 .3rem}input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem}
button{font:inherit;width:100%;padding:.8rem;margin-top:1rem}
"""

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><title>$title</title><style>$style</style></head>
<body><h1>$title</h1>
$content
</body></html>
""")
_FORM = Template("""<table>$rows</table>
<form method="post" action="answer">
<input type="hidden" name="token" value="$token">
<label for="reason">Why (kept in the record)</label>
<input id="reason" name="reason" maxlength="500" autocomplete="off">
<button type="submit">$button</button>
</form>
<p>Nothing has been answered yet. This link works until $until, once.</p>""")

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""The token is in the page's address: no cache keeps it, no other site is told it, no frame shows it."""


def message_page(title: str, text: str) -> str:
    """A page that says one thing."""
    return _page(title, f"<p>{escape(text)}</p>")


def question_page(title: str, rows: Mapping[str, str], *, token: str, button: str, until: str) -> str:
    """The order and one button. Opening it changes nothing: chat programs open links by themselves."""
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows.items())
    form = _FORM.substitute(rows=lines, token=escape(token), button=escape(button), until=escape(until))
    return _page(title, form)


def _page(title: str, content: str) -> str:
    return _PAGE.substitute(title=escape(title), style=STYLE, content=content)

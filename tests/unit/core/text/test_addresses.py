"""Only an address of the web becomes a link."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.text.addresses import MAX_ADDRESS, web_address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "https://wire.example/a?b=c&d=%20#e",
            "http://wire.example:8080",
            "HTTPS://WIRE.EXAMPLE/",
            "http://10.0.0.1/x",
        ),
        *("https://x.example", "HTTP://x.example:8080/a?b=c#d", "https://[2606:4700::1111]/", "https://x.example?a=1"),
    ],
)
def test_an_address_of_the_web_stays_as_it_is(text: str) -> None:
    assert web_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wire.example/a",
        "//wire.example/a",
        "javascript:alert(1)",
        "JaVaScRiPt://wire.example/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "ftp://wire.example/a",
        "file:///etc/passwd",
        "https:///a",
        "https://",
        "https://known.example@other.example/",
        "https://known.example:secret@other.example/",
        "https://wire.example/a b",
        "https://wire.example/\n",
        "https://wire.example/\u202ea",
        "https://wire.\u0435xample/",
        'https://wire.example/"onclick="alert(1)',
        "https://wire.example/<b>",
        "https://wire.example\\@other.example",
        "https://wire.example:99999/",
        "https://[::1/",
        "javascript:alert(1)//https://x.example",
        "https://wire.example/" + "a" * MAX_ADDRESS,
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    assert web_address(text) == ""


@given(st.text() | st.text().map("https://".__add__) | st.text().map("https://wire.example/".__add__))
def test_no_text_raises_and_what_is_let_through_needs_no_escape(text: str) -> None:
    found = web_address(text)
    assert found in {"", text}
    assert not set(found) & set("\"'<>\r\n\t ") - {"'"}

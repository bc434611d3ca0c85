"""Foreign text made plain: what is seen stays, what hides goes, and the work is bounded."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.core.text.cleaning import MAX_RAW, clean
from shared.core.text.stories import MAX_TEXT

PIECES = st.sampled_from(
    [
        *("<", ">", "&", "&amp;", "&lt;", "&gt;", "&amp;amp;lt;", "&#60;", "&#xFF1C;", "&notit;", "&#65018;", "amp;"),
        *(
            "<b>",
            "</b>",
            "<p hidden>",
            "</p>",
            "<script>",
            "</script>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?",
            "<a b='",
        ),
        *(
            "\u0301",
            "\u0338",
            "e",
            " ",
            "\u00b4",
            "\ufdfa",
            "\ufe0f",
            "\u200b",
            "\u202e",
            "\U000e0041",
            "\ud800",
            "\uff1c",
        ),
    ]
)
HOSTILE = st.lists(PIECES | st.text(max_size=5), max_size=60).map("".join)


@given(st.text() | HOSTILE | HOSTILE.map(lambda text: text * 40))
@example("&amp;" * 300 + "lt;")
@example("&" + "amp;" * 300 + "lt;b&gt;")
@example("a" + "\u0301" * 600)
@example("x" * 511 + "e\u0323\u0301" + "y" * 20)
def test_clean_text_is_short_plain_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= MAX_TEXT
    assert clean(cleaned) == cleaned
    assert cleaned == unicodedata.normalize("NFKC", cleaned)
    assert cleaned == " ".join(cleaned.split())
    assert not [c for c in cleaned if unicodedata.category(c)[0] in "CZ" and c != " "]


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("Apple&nbsp;beats  \n estimates", "Apple beats estimates"),
        ("AT&T and S&P 500 rise; M&A &amp; P&amp;G", "AT&T and S&P 500 rise; M&A & P&G"),
        ("Margin <5% as costs > plans, a < b", "Margin <5% as costs > plans, a < b"),
        ("<p>One</p><p>Two</p><br/>Three", "One Two Three"),
        ("<b>App</b>le <em>beats</em>", "Apple beats"),
        ("&lt;p&gt;Twice &amp;amp; escaped&lt;/p&gt;", "Twice & escaped"),
        ("\uff21\uff21\uff30\uff2c \ufb01ne", "AAPL fine"),
        ("A\u200bA\u2060PL\ufeff", "AAPL"),
        ("\u202ereversed\u202c \u2066x\u2069", "reversed x"),
        ("tag\U000e0073\U000e0065\U000e006c\U000e006c ged\U000e0101", "tag ged"),
        ("nul\x00 bell\x07 esc\x1b[31m\tx", "nul bell esc[31m x"),
        ("lone \ud83d surrogate", "lone surrogate"),
        ("Caf\u0065\u0301", "Caf\u00e9"),
        ("<img src=\"a>b\" alt='x>y'>seen", "seen"),
        ("<p it's>seen</p>", "seen"),
        ("before <a never closed", "before"),
    ],
)
def test_what_a_person_sees_stays(raw: str, seen: str) -> None:
    assert clean(raw) == seen


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>if (a < b) { buy() } </script>",
        "<SCRIPT type='x'>buy</script >",
        "<style>p { color: red }</style>",
        "<!-- buy -->",
        "<!-- buy <p> --!> still -->",
        "<span style='display:none'>buy <span>more</span> now</span>",
        "<span style='color:red; DISPLAY : None'>buy</span>",
        "<div style='visibility:hidden'>buy</div>",
        "<p style='font-size:0px'>buy</p>",
        "<p style='opacity:0.0'>buy</p>",
        "<p hidden>buy</p>",
        "<p hidden=''>buy</p>",
        "<p style='display&#58;none'>buy</p>",
        "<template>buy</template>",
        "<svg><text>buy</text></svg>",
        "<![CDATA[ buy ]]>",
        "<?php buy ?>",
        "&lt;p hidden&gt;buy&lt;/p&gt;",
    ],
)
def test_what_is_hidden_goes(hidden: str) -> None:
    assert clean(f"Shares {hidden} rise") == "Shares rise"


def test_what_only_looks_hidden_stays() -> None:
    assert clean("<p style='font-size:0.9em; opacity:0.5'>Hidden value <i class='unhidden'>found</i></p>") == (
        "Hidden value found"
    )


def test_a_cut_parts_no_combining_sequence() -> None:
    marked = "q\u0323\u0331"
    text = clean("x" * (MAX_TEXT - 1) + marked + "y" * 10)
    assert text == "x" * (MAX_TEXT - 1)


@pytest.mark.parametrize(
    "piece",
    [
        *("<", "<!--", "<a ", "<a b=", "</", "<![", "<?", "&", "&#", "<script>", "<a b='", "<!--->", "<script></"),
        *("&amp", "amp;", "\ufdfa", "a\u0301", "<p hidden>", "= ", "<a =", " ", "&lt;", "\U000e0041", "word "),
    ],
)
def test_of_a_megabyte_so_much_is_looked_at_and_no_more(piece: str) -> None:
    for start in ("", "<p>", "<script", "<a b='"):
        text = start + piece * (1_000_000 // len(piece))
        assert len(clean(text)) <= MAX_TEXT
        assert clean(text) == clean(text[:MAX_RAW])

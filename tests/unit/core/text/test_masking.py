"""Who and when are hidden from a model, and put back to the letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.text.masking import Mask, mask_of, no_mask
from shared.core.text.stories import Story
from shared.core.values import Symbol
from tests.support.told_stories import told

ACME, META, ALL, F = Symbol("ACME"), Symbol("META"), Symbol("ALL"), Symbol("F")
NAMES = {
    ACME: ("Acme Corp.", "Acme"),
    META: ("Meta Platforms", "Meta"),
    ALL: ("Allstate",),
    F: ("Ford Motor", "Ford"),
}


def mask(*stories: Story, symbol: Symbol = ACME) -> Mask:
    return mask_of(stories, symbol=symbol, names=NAMES)


def hidden(text: str, *symbols: Symbol) -> str:
    return mask(told(text, symbols=symbols or (ACME,))).hide(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Acme beats", "COMPANY_1 beats"),
        ("Acme's profit, Acme’s loss", "COMPANY_1's profit, COMPANY_1’s loss"),  # noqa: RUF001 - as it is written
        ("Acme and ACME CORP. and acme", "COMPANY_1 and COMPANY_1_2. and COMPANY_1_3"),
        ("Acme-Corp, Acme, Corp", "COMPANY_1, COMPANY_1_2"),
        ("Acme (NYSE: ACME) $ACME $acme", "COMPANY_1 (NYSE: TICKER_1) $TICKER_1 $TICKER_1_2"),
        ("Acmeology and Pacme and Acme_2", "Acmeology and Pacme and Acme_2"),
        ("Acme on March 3, 2025", "COMPANY_1 on DATE_1"),
        ("on 2025-03-03, 3 Mar 2025 and March 3, 2025", "on DATE_1, DATE_2 and DATE_3"),
        ("in Q3 2024, FY25, 3/4/2025 and 2023", "in DATE_1, DATE_2, DATE_3 and DATE_4"),
        ("2000 jobs, $2024, 2024% and 2,024", "2000 jobs, $2024, 2024% and 2,024"),
        ("it may march on", "it may march on"),
    ],
)
def test_names_tickers_and_dates_are_hidden(text: str, masked: str) -> None:
    assert hidden(text) == masked


def test_the_longest_name_wins_and_each_symbol_has_its_number() -> None:
    text = "Meta Platforms (META) sues Acme; Meta wins"
    assert hidden(text, META, ACME) == "COMPANY_2 (TICKER_2) sues COMPANY_1; COMPANY_2_2 wins"


def test_a_ticker_that_is_a_word_is_hidden_only_where_it_is_in_capitals() -> None:
    assert hidden("ALL of Allstate, all of it", ALL) == "TICKER_2 of COMPANY_2, all of it"


def test_a_single_letter_is_a_ticker_only_where_it_is_marked_as_one() -> None:
    assert hidden("F (NYSE: F) $F (F) F.", F) == "F (NYSE: TICKER_2) $TICKER_2 (TICKER_2) F."


def test_what_looks_like_a_placeholder_already_is_nothing_of_ours() -> None:
    story = told("COMPANY_1 soars, company_2 and TICKER_3 too, says Acme on 2025-01-02")
    of_it = mask(story)
    masked = of_it.hide(story.headline)
    assert masked == "COMPANY_1 soars, company_2 and TICKER_3 too, says COMPANY_4 on DATE_4"
    assert of_it.restore(masked) == story.headline
    assert of_it.restore("COMPANY_1 COMPANY_2 COMPANY_99") == "COMPANY_1 COMPANY_2 COMPANY_99"


def test_what_a_model_makes_of_a_placeholder_is_put_back() -> None:
    of_it = mask(told("Acme beats"))
    assert of_it.restore("company_1's TICKER_1, Company_1.") == "Acme's ACME, Acme."
    assert of_it.restore("COMPANY_12 COMPANY_1x XCOMPANY_1") == "COMPANY_12 COMPANY_1x XCOMPANY_1"


def test_a_symbol_that_no_story_names_still_has_its_placeholders() -> None:
    of_it = mask(told("Chip maker soars"))
    assert (of_it.company, of_it.ticker) == ("COMPANY_1", "TICKER_1")
    assert of_it.restore("COMPANY_1 TICKER_1") == "Acme Corp. ACME"
    assert mask_of([told("x")], symbol=ACME, names={}).company == ""


def test_nothing_is_hidden_where_that_is_wanted() -> None:
    off = no_mask(ACME, NAMES[ACME])
    assert off.hide("Acme on 2025-01-02") == off.restore("Acme on 2025-01-02") == "Acme on 2025-01-02"
    assert (off.ticker, off.company) == ("ACME", "Acme Corp.")


NAMED = "Acme|ACME|acme|Acme Corp.|Meta|META|meta  platforms|$meta|ALL|$F|Ford|(F)|2024|March 3, 2025|3/3/24|Q3 2024"
TRICKY = "COMPANY_1|company_2|TICKER_1|DATE_1|COMPANY_1_2|COMPANY_|_1|1|'s| |-|.|_|\u212aompany|\n"
pieces = st.sampled_from([*NAMED.split("|"), *TRICKY.split("|")])
texts = st.lists(pieces | st.text(max_size=4), max_size=14).map("".join) | st.text(max_size=60)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5), st.sampled_from([ACME, META, F]))
def test_what_is_hidden_comes_back_to_the_letter(pairs: list[tuple[str, str]], symbol: Symbol) -> None:
    stories = [
        told(headline[:512], summary[:512], symbols=(ACME, META, ALL, F), story_id=str(k))
        for k, (headline, summary) in enumerate(pairs)
    ]
    of_it = mask(*stories, symbol=symbol)
    for story in stories:
        for text in (story.headline, story.summary):
            assert of_it.restore(of_it.hide(text)) == text
    assert len(set(of_it.hidden.values())) == len(of_it.hidden)


@given(st.text(max_size=100))
def test_a_text_without_a_placeholder_is_put_back_as_it_is(text: str) -> None:
    of_it = mask(told("Acme beats META in 2024"))
    if "_" not in text:
        assert of_it.restore(text) == text


def test_the_same_stories_get_the_same_placeholders() -> None:
    stories = [told("Acme beats Meta"), told("META falls in 2024", symbols=(META,))]
    assert mask(*stories).hidden == mask(*stories).hidden

"""An answer says no number, name, ticker, quote or source that its stories do not."""

from __future__ import annotations

import string
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.core.text.grounding import ungrounded
from shared.core.text.narratives import Citation, NarrativeAnswer
from tests.support.told_stories import told

FIRST = told(
    "Acme beats estimates, raises outlook to $1.5B",
    "Profit rose 12% in the second quarter, Tim Berg of Acme Corp. said; two hundred and five jobs go on March 3.",
    story_id="one",
)
SECOND = told(
    "GLOBX and Acme settle: -3.5% and 1,200 shares", "Analysts at O'Neil & Co doubled targets.", story_id="two"
)
STORIES = (FIRST, SECOND)


def answer(summary: str = "Acme beats estimates.", **other: object) -> NarrativeAnswer:
    base = NarrativeAnswer(summary=summary, score=0.5, confidence=0.5, source_ids=("one",))
    return replace(base, **other)  # type: ignore[arg-type]


def fault(summary: str, **other: object) -> str:
    return ungrounded(answer(summary, **other), STORIES)


@pytest.mark.parametrize(
    "summary",
    [
        "Acme beats estimates and profit rose 12 percent.",
        "Profit rose 12 per cent to $1.5 billion, that is $1,500 million.",
        "Acme cuts 205 jobs.",
        "Two hundred five jobs go, berg said.",
        "Results of the second quarter were strong.",
        "One of the first to gain. First signs are good.",
        "Shares fell 3.5%; shares moved -3.5 percent.",
        "GLOBX, $GLOBX and $acme settle.",
        "The company is one of many with good news.",
        "Targets are now twice what they were.",
        "Northwire says so.",
        "ACME gains.",
        'The headline says "beats estimates, raises outlook".',
        "acme \u2013 berg \u2013 o\u2019neil",
    ],
)
def test_what_is_made_of_the_stories_is_grounded(summary: str) -> None:
    assert fault(summary) == ""


@pytest.mark.parametrize(
    ("summary", "found"),
    [
        ("Profit rose 13%.", "number '13%'"),
        ("Profit rose 12 basis points.", "number '12 basis points'"),
        ("Profit rose $12.", "number '$12'"),
        ("Outlook is $1.5 million.", "number '$1.5 million'"),
        ("Outlook is 1.5B euros.", "number '1.5B euros'"),
        ("Profit rose -12%.", "number '-12%'"),
        ("Profit rose +12%.", "number '+12%'"),
        ("Profit rose \u0661\u0663%.", "number"),
        ("Profit rose \u00bd.", "number"),
        ("Two hundred jobs go.", "number 'Two hundred'"),
        ("Profit rose 12 times.", "number '12 times'"),
        ("There are 12 jobs.", "number '12'"),
        ("A dozen jobs go.", "number 'dozen'"),
        ("Profit tripled.", "number 'tripled'"),
        ("Results of the third quarter are in.", "number 'third'"),
        ("Results of the first quarter are in.", "number 'first'"),
        ("Results of Q2 are in.", "'Q2'"),
        ("It happens on March 4.", "number '4'"),
        ("It happens on April 3.", "name 'April'"),
        ("Shares of MSFT rise.", "ticker 'MSFT'"),
        ("Shares of $MSFT rise.", "ticker 'MSFT'"),
        ("All of IT is up.", "ticker 'IT'"),
        ("Shares of F rise.", "ticker 'F'"),
        ("Microsoft rises.", "name 'Microsoft'"),
        ("The maker, Globex, rises.", "name 'Globex'"),
        ("Shares of iRobot rise.", "name 'iRobot'"),
        ("\u0410CME rises.", "is in no story"),
        ("\u4e70\u5165", "name"),
        ("COMPANY_7 rises.", "COMPANY_7"),
        ("See https://x.example/a.", "an address"),
        ("See x.example/a?b=c.", "an address"),
        ("See www.x.", "an address"),
        ("See evil.example now.", "an address"),
        ("[a](b)", "an address"),
        ("mail me@x", "an address"),
        ("on 10.0.0.1", "an address"),
        ('Berg said "we beat everyone".', "quote 'we beat everyone'"),
        ("Berg said \u201cbeats all\u201d.", "quote 'beats all'"),
    ],
)
def test_what_the_stories_do_not_say_is_named(summary: str, found: str) -> None:
    assert found in fault(summary)


def test_a_word_in_capitals_is_no_word_of_the_story_in_small_letters() -> None:
    story = told("Acme is now all that it was", story_id="one")
    for ticker in ("NOW", "ALL", "IT"):
        assert f"ticker '{ticker}'" in ungrounded(answer(f"Acme and {ticker} rise."), [story])
    assert ungrounded(answer("NOW rises."), [told("ServiceNow beats", story_id="one", symbols=("NOW",))]) == ""


def test_words_of_a_script_without_blanks_may_be_parts_of_a_storys() -> None:
    story = told("Acme: \u4e70\u5165\u4e00\u5207", story_id="one")
    assert ungrounded(answer("Acme \u4e00\u5207."), [story]) == ""
    assert "is in no story" in ungrounded(answer("Acme \u4e00\u4e70."), [story])


def test_an_address_is_refused_even_where_a_story_has_it() -> None:
    story = told("Acme opens https://acme.example/shop today", story_id="one")
    assert "an address" in ungrounded(answer("Acme opens https://acme.example/shop today"), [story])
    quote = Citation(text="opens https://acme.example/shop", story_id="one")
    assert "an address" in ungrounded(answer(quotes=(quote,)), [story])


def test_a_company_that_is_called_like_a_host_may_be_named() -> None:
    assert ungrounded(answer("Acme.com beats."), [told("Acme.com beats", story_id="one")]) == ""


def test_a_quote_is_letter_by_letter_of_the_story_that_it_names() -> None:
    def of(text: str, story_id: str) -> str:
        return fault("Acme", quotes=(Citation(text=text, story_id=story_id),))

    assert of("beats  estimates,\nraises", "one") == ""
    assert of("O\u2019Neil & Co", "two") == ""
    assert "is not in its story" in of("Beats estimates", "one")
    assert "is not in its story" in of("beats estimates", "two")
    assert "is not in its story" in of("$1.5B. Profit rose", "one"), "it ends in a headline and goes on in a summary"
    assert "of a quote is none of the stories" in of("beats estimates", "three")


def test_sources_and_entities_are_those_of_the_stories() -> None:
    assert fault("Acme", source_ids=("one", "two"), entities=("Tim Berg", "acme corp.", "GLOBX", "ACME")) == ""
    assert "source 'three' is none" in fault("Acme", source_ids=("one", "three"))
    assert "entity 'Tim' is" not in fault("Acme", entities=("Tim",))
    assert "entity 'Ber' is in no story" in fault("Acme", entities=("Ber",))
    assert "entity 'Corp. Acme' is in no story" in fault("Acme", entities=("Corp. Acme",))


def test_what_the_question_calls_its_symbol_may_be_said() -> None:
    story = told("Chip maker soars", story_id="one", symbols=("NVDA",))
    summary = answer("Nvidia (NVDA) soars.")
    assert ungrounded(summary, [story], named=("NVDA", "Nvidia Corp")) == ""
    assert "name 'Nvidia'" in ungrounded(summary, [story])


words = st.text(string.ascii_letters + " .,$%-0123456789'&:;\u00e9\u4e70\u0661", max_size=80)


@given(st.lists(words, min_size=1, max_size=4), st.data())
def test_stories_in_their_own_words_are_grounded(texts: list[str], data: st.DataObject) -> None:
    stories = [told(text, story_id=str(k)) for k, text in enumerate(texts)]
    summary = "; ".join(data.draw(st.permutations(texts)))
    found = ungrounded(answer(summary, source_ids=("0",)), stories)
    # Two texts side by side may make an address or a quotation of what is none in either.
    assert found == "" or "address" in found or "quote" in found


def grounded_with(invented: str, at: float) -> NarrativeAnswer:
    parts = [
        "Acme",
        "beats",
        "estimates",
        "and",
        "profit",
        "rose",
        "12%",
        "at",
        "Acme",
        "Corp.",
        "in",
        "the",
        "second",
        "quarter",
    ]
    parts.insert(round(at * len(parts)), invented)
    return answer(" ".join(parts))


places = st.floats(0, 1)


numbers = st.decimals(0, 10**12, places=2) | st.integers(0, 10**15)
units = st.sampled_from(["", "%", "k", "m", "bn", "x", "th", " million", " dollars", " percent"])
SAID = {Fraction(each) for each in ("12", "1.5e9", "205", "2", "3", "3.5", "1200")}
SCALES = {"k": 10**3, "m": 10**6, " million": 10**6, "bn": 10**9}


@given(numbers, units, places)
def test_no_invented_number_is_grounded(number: Decimal | int, unit: str, at: float) -> None:
    assume(Fraction(number) * SCALES.get(unit, 1) not in SAID)
    assert "number" in ungrounded(grounded_with(f"{number}{unit}", at), STORIES)


@given(st.text(string.ascii_uppercase, min_size=2, max_size=5), st.sampled_from(["", "$"]), places)
def test_no_invented_ticker_is_grounded(ticker: str, dollar: str, at: float) -> None:
    assume(ticker not in {"ACME", "GLOBX", "USD", "EUR", "GBP", "JPY"})
    found = ungrounded(grounded_with(f"{dollar}{ticker}", at), STORIES)
    assert "ticker" in found or "number" in found


@given(st.text(string.ascii_letters + string.digits + " ", min_size=1, max_size=30), st.sampled_from(["one", "two"]))
def test_no_invented_quote_is_grounded(text: str, story_id: str) -> None:
    story = FIRST if story_id == "one" else SECOND
    assume(text.split() and not any(" ".join(text.split()) in each for each in (story.headline, story.summary)))
    assert "quote" in fault("Acme", quotes=(Citation(text=text, story_id=story_id),))


@given(st.text(max_size=20))
def test_no_invented_source_is_grounded(story_id: str) -> None:
    assume(story_id not in {"one", "two"})
    assert "source" in fault("Acme", source_ids=("one", story_id))
    assert "source" in fault("Acme", quotes=(Citation(text="Acme", story_id=story_id),))


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_answered_there_is_a_verdict(summary: str, headline: str) -> None:
    assert isinstance(ungrounded(answer(summary), [told(headline, story_id="one")]), str)

"""How well links are found in real texts that are labelled: 100 headlines, 100 posts and 100 tweets.

Listed are the names in `tests.support.listed` and, by ticker alone, the 6,128 symbols that traded in New York from
2015 to 2017, so that every word that was a ticker then can be mistaken for one.

- Headlines (SemEval 2017) name companies and no tickers. They were read and labelled by hand: the symbols of the
  companies that each names, as far as they are listed here; a name in front of which the data have lost a blank
  ("CompaniesActelion") counts as missed.
- Posts (FiQA) and tweets (stocknet) are labelled by their own cashtags, and by companies that they name beside. They
  are read with every cashtag's `$` taken away, and as they are.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shared.core.text.cleaning import clean
from shared.core.text.linking import Listings, listings_of, symbols_in
from tests.support.listed import listed

DATA = Path(os.environ.get("GATEHOUSE_DATA", "../shared/data"))
HEADLINES, POSTS, TWEETS = (
    f"text/{name}.parquet"
    for name in ("semeval2017_headlines_labelled", "fiqa_posts_labelled", "stocknet_tweets_2014_2016")
)
TICKERS = "daily/us_daily_2015_2017_unadjusted.parquet"
COUNT = 100

IN_HEADLINES = """
-; LOML; RIO; SHPG; LWEI; AV AXAHY; LBG; BP; BCS; LHL; BCS; LTSC; LAHT GLNCY BP; PCLN; TEVA MYL; LRMG; LADN; LSTA;
BP; LRR; -; LPFC; BHP; PUK; RDS.A LBG; LJMA; BRK.B AAPL; LEZJ; LADN; BHP; LSTA; BP; BCS; BP; SBMRY; LAGG; LTSC; BP
STO; LABF; SHPG BXLT; GSK; AV; AZN; LGFS; LWOS; RDS.A; BCS LLOY; LAGG; LARM; LLGN; LATO; RDS.A; BCS; BCS; LSKY;
LWOS; LBG; AZN; SHPG BXLT; GSK; RDS.A; LMRW; BHP; LLOY; RBS BCS; LITV LETO; -; LTSC; -; -; ICE LLSE; SHPG BXLT; BUD
SBMRY; LWEI; GLNCY; LTSC; BP; VRX; LEZJ; STO; -; LEZJ; LSBR; LUU; LTSC; MYL; LOML; LLOY; SHPG; -; NGG; -; AZN; LUU;
LRRS; LTPK; GSK; BCS JPM; BCS; SHPG BXLT
"""
"""Of the headlines in their order here."""
NAMED_IN_POSTS = {16: "GOOGL"}
NAMED_IN_TWEETS = {12: "AAPL EA", 26: "NVS", 38: "MS", 51: "CSCO", 57: "VALE"}
"""Companies that stand beside a text's cashtags, by its place."""

_CASHTAG = re.compile(r"(?<![\w$])\$([A-Za-z]{1,5}(?:\.[A-Z])?)(?![\w$])")


def column(name: str, of: str = "text") -> list[str]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"real data is absent: {path} (set GATEHOUSE_DATA)")
    return [str(each) for each in pq.read_table(path, columns=[of]).column(0).unique().to_pylist()]


def drawn(texts: Sequence[str]) -> list[str]:
    """A hundred texts in an order that has nothing to do with what they say."""
    return sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).digest())[:COUNT]


@pytest.fixture(scope="module")
def listings() -> Listings:
    return listings_of(listed(column(TICKERS, "symbol")))


def measured(found: Sequence[AbstractSet[str]], true: Sequence[AbstractSet[str]]) -> tuple[float, float, int]:
    """Precision, recall, and how many true links there are."""
    right = sum(len(a & b) for a, b in zip(found, true, strict=True))
    return right / sum(map(len, found)), right / sum(map(len, true)), sum(map(len, true))


def told(what: str, found: Sequence[AbstractSet[str]], true: Sequence[AbstractSet[str]]) -> tuple[float, float]:
    precision, recall, count = measured(found, true)
    sys.stdout.write(f"{what}: precision {precision:.3f}, recall {recall:.3f} of {count} links in {len(true)} texts\n")
    return precision, recall


def tagged(texts: Sequence[str], named: dict[int, str], listings: Listings) -> list[set[str]]:
    def of(place: int, text: str) -> set[str]:
        tags = (match[1].upper() for match in _CASHTAG.finditer(text))
        return {*(listings.tickers[tag] for tag in tags if tag in listings.tickers), *named.get(place, "").split()}

    return [of(place, text) for place, text in enumerate(texts)]


def test_companies_in_real_headlines(listings: Listings) -> None:
    texts = drawn(column(HEADLINES))
    true = [set(each.split()) - {"-"} for each in IN_HEADLINES.split(";")]
    precision, recall = told("headlines", [set(symbols_in(clean(text), listings)) for text in texts], true)
    assert precision >= 0.95
    assert recall >= 0.88


@pytest.mark.parametrize(
    ("name", "named", "precision_min", "recall_min"),
    [(POSTS, NAMED_IN_POSTS, 0.96, 0.87), (TWEETS, NAMED_IN_TWEETS, 0.97, 0.74)],
    ids=["posts", "tweets"],
)
def test_symbols_of_real_posts(
    listings: Listings, name: str, named: dict[int, str], precision_min: float, recall_min: float
) -> None:
    texts = drawn([text for text in column(name) if re.search(r"\$[A-Za-z]", text)])
    true = tagged(texts, named, listings)
    bare = [set(symbols_in(clean(re.sub(r"\$(?=[A-Za-z])", "", text)), listings)) for text in texts]
    precision, recall = told(f"{name}, without $", bare, true)
    assert precision >= precision_min
    assert recall >= recall_min
    precision, recall = told(f"{name}, as it is", [set(symbols_in(clean(text), listings)) for text in texts], true)
    assert precision >= precision_min
    assert recall >= 0.99

"""`text`: models of text, an embedding and a sentiment model that stands on it, judged and promoted like any other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from training.commands import command
from training.commands.options import add_registry_option, command_clock, open_registry, progress_bars, say

if TYPE_CHECKING:
    from shared.adapters.texts import TextEmbedder
    from shared.contracts.text_card import TextCard
    from shared.ports import BlobStore
    from training.registry.judge import PromotionVerdict
    from training.text.labelled import LabelledTexts
    from training.text.registry import TextModel

SAMPLE = 200
"""Texts that an embedding is compared with its original on."""
RECORDED = 12
"""Texts that go into a sentiment model's card, besides the odd ones."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", required=True)
    embedding = kinds.add_parser("embedding", help="build all-MiniLM-L6-v2 in int8, hold it to its weights, publish it")
    embedding.add_argument(
        "--weights",
        type=Path,
        help="folder with model.safetensors, config.json, tokenizer.json (default: the package's)",
    )
    embedding.add_argument("--labelled", type=Path, nargs="*", default=[], help="compare on these files' texts")
    sentiment = kinds.add_parser("sentiment", help="train sentiment on labelled texts, judge it, promote or refuse it")
    sentiment.add_argument(
        "--labelled", type=Path, nargs="+", required=True, help="parquet or CSV: text, score from -1 to 1"
    )
    sentiment.add_argument(
        "--lexicon", type=Path, nargs="*", default=[], help="parquet or CSV: word, polarity or weight, and lexicon"
    )
    for each in (embedding, sentiment):
        add_registry_option(each)
        each.add_argument("--code-revision", default="", help="goes into the card")


@command("text", "models of text: `text embedding`, `text sentiment`", _add_options)
def _text(options: argparse.Namespace, console: Console) -> int:
    """Exit code 0 either way: a refusal is an answer."""
    return _embedding(options, console) if options.kind == "embedding" else _sentiment(options, console)


def _embedding(options: argparse.Namespace, console: Console) -> int:
    from shared.contracts.text_card import EMBEDDING_MODEL, SENTIMENT_MODEL
    from training.publish import champion_of
    from training.text.embedding import minilm
    from training.text.labelled import read_labelled
    from training.text.packed import Making
    from training.text.registry import publish_text

    blobs, now = open_registry(options), command_clock().now()
    texts = _invented(SAMPLE)
    if options.labelled:
        found = read_labelled(options.labelled).texts
        texts += found[:: max(len(found) // SAMPLE, 1)]
    say(console, [f"comparing on {len(texts)} texts"])
    model, _ = minilm(options.weights, texts, Making(created_at=now, code_revision=options.code_revision))
    console.print(_table(model.card))
    publish_text(blobs, model, promoted_at=now, reason="held to its weights")
    say(console, [f"embedding/{model.card.version} is champion"])
    sentiment = champion_of(blobs, SENTIMENT_MODEL)
    if sentiment is not None and _stands_on(blobs, sentiment.version) != model.card.version:
        say(console, [f"{SENTIMENT_MODEL}/{sentiment.version} stands on another {EMBEDDING_MODEL}: train it anew"])
    return 0


def _invented(count: int) -> list[str]:
    """Texts for a card: labelled ones are somebody's, and a card is read by many."""
    from simulation.market.scenario import DEFAULT_ON, DEFAULT_SEED
    from training.text.seeded import seeded_stories

    return list(dict.fromkeys(seeded_stories(DEFAULT_SEED, DEFAULT_ON).texts))[:count]


def _stands_on(blobs: BlobStore, version: str) -> str:
    from shared.contracts.text_card import SENTIMENT_MODEL
    from training.publish import text_card_of

    return text_card_of(blobs, SENTIMENT_MODEL, version).embedding


def _sentiment(options: argparse.Namespace, console: Console) -> int:
    from training.publish import promote
    from training.text.judge import judge
    from training.text.labelled import packaged_lists, read_labelled, read_lists
    from training.text.packed import EDGE_TEXTS, Making, packed_sentiment
    from training.text.registry import store_text
    from training.text.sentiment import SentimentRule, evidence_of

    blobs, now = open_registry(options), command_clock().now()
    embedder = _champion_embedder(blobs)
    data = read_labelled(options.labelled)
    lists = (*packaged_lists(), *read_lists(options.lexicon))
    say(console, [f"{len(data)} texts; word lists: {', '.join(each.name for each in lists) or 'none'}"])
    with progress_bars(console) as show:
        show("embed", 0.0)
        evidence = evidence_of(data, embedder.embed, lists)
        show("embed", 1.0)
        found = judge(evidence, SentimentRule(), show)
    making = Making(created_at=now, code_revision=options.code_revision)
    method = "support vectors over embedding and word lists, averaged with a learned list"
    model, _ = packed_sentiment(found, embedder, making, texts=(*_invented(RECORDED), *EDGE_TEXTS), method=method)
    store_text(blobs, model)
    said = _verdict(blobs, model, data, embedder, console)
    console.print(_judged(model.card))
    console.print(_table(model.card))
    if said.is_promoted:
        promote(blobs, model.card.name, model.card.version, promoted_at=now, reason="better on texts it had not read")
        say(console, [f"sentiment/{model.card.version} is champion"])
    else:
        say(console, [f"sentiment/{model.card.version} is refused", *said.reasons])
    return 0


def _champion_embedder(blobs: BlobStore) -> TextEmbedder:
    from shared.adapters.texts import verified_embedding
    from shared.contracts.text_card import EMBEDDING_MODEL
    from shared.core.errors import ModelError
    from training.publish import champion_of
    from training.text.registry import stored_text

    champion = champion_of(blobs, EMBEDDING_MODEL)
    if champion is None or champion.suspended:
        raise ModelError("sentiment stands on an embedding: publish one first (text embedding)")
    model = stored_text(blobs, EMBEDDING_MODEL, champion.version)
    return verified_embedding(model.card, model.files)


def _verdict(
    blobs: BlobStore, model: TextModel, data: LabelledTexts, embedder: TextEmbedder, console: Console
) -> PromotionVerdict:
    """Let challenger and champion, as published, read the texts that neither has learned from."""
    from shared.adapters.texts import verified_embedding, verified_sentiment
    from shared.contracts.text_card import EMBEDDING_MODEL, SENTIMENT_MODEL
    from shared.core.errors import ModelError
    from training.publish import champion_of
    from training.text.judge import verdict
    from training.text.registry import stored_text

    held_out = data.where(data.is_held_out)
    texts = held_out.texts
    own = verified_sentiment(model.card, model.files, embedder).polarity(texts, embedder.embed(texts))
    champion = champion_of(blobs, SENTIMENT_MODEL)
    theirs = None
    if champion is not None and not champion.suspended:
        try:
            old = stored_text(blobs, SENTIMENT_MODEL, champion.version)
            ground = stored_text(blobs, EMBEDDING_MODEL, old.card.embedding)
            reader = verified_embedding(ground.card, ground.files)
            scorer = verified_sentiment(old.card, old.files, reader)
            theirs = (old.card, scorer.polarity(texts, reader.embed(texts)))
        except ModelError as error:  # no measure for anybody
            say(console, [f"the champion cannot be trusted: {error}"])
    return verdict(model.card, held_out, own, theirs)


def _judged(card: TextCard) -> Table:
    table = Table(
        "texts", "read by", "n", "r", "sign", "3 classes", "RMSE", title="On texts that were not learned from"
    )
    for corpus in card.judged:
        rows = [(f"fold {k + 1}", fold) for k, fold in enumerate(corpus.folds)]
        rows += [("five folds", corpus.overall), ("the model, held-out texts", corpus.held_out)]
        rows += [("a model of the other files", corpus.transfer)] if corpus.transfer else []
        for name, found in rows:
            accuracy = (found.sign_accuracy, found.class_accuracy)
            shown = (f"{found.pearson:.3f}", *(f"{each:.3f}" for each in accuracy), f"{found.rmse:.3f}")
            table.add_row(corpus.name, name, str(found.texts), *shown)
        for name, pearson in corpus.lists.items():
            table.add_row(corpus.name, f"word list {name} alone", str(corpus.texts), f"{pearson:.3f}", "", "", "")
    return table


def _table(card: TextCard) -> Table:
    table = Table("", "", title=f"{card.name} {card.version}: {card.label}")
    lines: Sequence[tuple[str, str]] = [(name, f"{value:.6g}") for name, value in card.metrics.items()]
    if (done := card.calibration) is not None:
        by_method = ", ".join(f"{name} {value:.4f}" for name, value in done.rmse_by_method.items())
        lines = [
            *lines,
            ("calibration", f"{done.method} (RMSE: {by_method})"),
            ("label over polarity", f"slope {done.slope:.3f}, intercept {done.intercept:+.3f}"),
            ("mean distance in tenths", f"{done.error:.4f}, {done.error_before:.4f} without it"),
        ]
    for name, shown in lines:
        table.add_row(name, shown)
    return table

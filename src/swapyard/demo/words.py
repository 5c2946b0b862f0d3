"""Text in, text or numbers out: tokens, answers, embeddings, relevance. Pure and deterministic.

The same model and question always give the same answer. Nothing here knows time, HTTP or JSON.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence

DIMENSIONS = 64
TOKEN_IDS = 32_000

TOKEN = re.compile(r"\s*\w{1,8}|\s*[^\w\s]|\s+")
COUNT = re.compile(r"\bcount (?:up )?to (\d{1,6})", re.IGNORECASE)

QUIPS = (
    "I am a script in a fur coat, so take this with a grain of salt: the answer is probably 42, and certainly not in here.",
    "I have no weights to weigh that with. What I can tell you is that the request went all the way through and back.",
    "A larger model would now be wrong at length. I prefer to be wrong briefly.",
    "I looked it up in all zero of my parameters. They agree with you.",
    "That deserves a GPU. Until you plug one in, be assured that your streaming works.",
    "My training data ends before it begins. Still, every token of this sentence was paced with care.",
    "If you can read this, then loading, routing and streaming did their job; mine was only to be loaded.",
)


def tokens(text: str) -> list[str]:
    """Split `text` into pieces that join to it again: words of up to 8 letters with the blanks before them, or signs."""
    return TOKEN.findall(text)


def token_id(token: str) -> int:
    return zlib.crc32(token.encode()) % TOKEN_IDS


def answer(model: str, question: str) -> str:
    """What `model` says to `question`. "count to 50" counts to 50, one number per token."""
    if asked := COUNT.search(question):
        return " ".join(str(number) for number in range(1, max(int(asked[1]), 1) + 1))
    quip = QUIPS[zlib.crc32(f"{model}\0{question}".encode()) % len(QUIPS)]
    shown = " ".join(question.split())
    if len(shown) > 200:
        shown = shown[:200].rstrip() + "..."
    asked_for = f'You asked: "{shown}". ' if shown else ""
    return f"This is {model}. {asked_for}{quip}"


def infill(model: str, prefix: str, suffix: str) -> str:
    """What `model` puts between two pieces of code: a comment in their own indentation, so that the code stays valid."""
    line = prefix.rpartition("\n")[2]
    indent = line[: len(line) - len(line.lstrip())]
    return f"# {model} was here, between {len(prefix)} and {len(suffix)} characters\n{indent}pass\n"


def embedding(text: str) -> list[float]:
    """A unit vector of `DIMENSIONS` numbers; texts that share words point in similar directions."""
    vector = [0.0] * DIMENSIONS
    for word in words(text):
        mark = zlib.crc32(word.encode())
        vector[mark % DIMENSIONS] += 1.0 if mark & 0x8000_0000 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if not length:
        return [1.0, *[0.0] * (DIMENSIONS - 1)]
    return [round(value / length, 6) for value in vector]


def relevance(query: str, document: str) -> float:
    """From 0 to 1: how many of the query's words the document has."""
    wanted = set(words(query))
    return round(len(wanted & set(words(document))) / len(wanted), 6) if wanted else 0.0


def words(text: str) -> Sequence[str]:
    return re.findall(r"\w+", text.lower())

"""Reads `phrases.toml`, the stock of sentences from which the notes are made."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Phrases:
    """What sellers write, before it is made messy.

    Attributes:
        loss: Sentences by language and true loss reason; a language may lack a reason.
        win: Sentences by language and true win reason.
        slots: Words for each slot of a sentence, by slot name.
        openings: What a note on a loss or on a win may begin with.
        endings: What it may end with.
        junk: Notes that say nothing.
        short: Abbreviations by the word that they stand for.
    """

    loss: dict[str, dict[str, list[str]]]
    win: dict[str, dict[str, list[str]]]
    slots: dict[str, list[str]]
    openings: dict[str, list[str]]
    endings: dict[str, list[str]]
    junk: list[str]
    short: dict[str, str]


@cache
def phrases() -> Phrases:
    """The stock of sentences."""
    text = files("crm.simulation").joinpath("phrases.toml").read_text(encoding="utf-8")
    return Phrases(**tomllib.loads(text))

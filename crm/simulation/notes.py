"""Free-text notes on losses and wins, made from templates in the messy style of sellers.

They are simulated text: sentences drawn for a true reason, filled in, joined, shortened and misspelt. A model that
reads them well has learnt the templates, not how people write; they are for trying things out, not for judging them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crm.simulation.phrases import Phrases, phrases
from crm.tables import FloatArray, IntArray

LANGUAGES = ("en", "de", "fr", "es", "it")
JUNK_SHARE = 0.05
SECOND_SHARE = 0.25
"""Share of notes that name a second reason."""

_DRAWS = 24


class _Dice:
    """A row of uniform numbers, spent one by one: much faster than asking the generator for each."""

    def __init__(self, row: FloatArray) -> None:
        self._row = row.tolist()
        self._next = 0

    def roll(self) -> float:
        self._next = (self._next + 1) % len(self._row)
        return float(self._row[self._next])

    def pick(self, options: Sequence[str]) -> str:
        return options[int(self.roll() * len(options))]


def _fill(sentence: str, stock: Phrases, known: dict[str, str], dice: _Dice) -> str:
    while "{" in sentence:
        slot = sentence[sentence.index("{") + 1 : sentence.index("}")]
        word = known.get(slot) or dice.pick(stock.slots[slot])
        sentence = sentence.replace("{" + slot + "}", word, 1)
    return sentence


def _misspell(text: str, dice: _Dice) -> str:
    """Swap, drop or double one letter inside a word."""
    at = 1 + int(dice.roll() * (len(text) - 3))
    if len(text) < 8 or not (text[at].isalpha() and text[at + 1].isalpha()):
        return text
    how = dice.roll()
    if how < 0.5:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if how < 0.8 else text[:at] + text[at] + text[at:]


def _mess_up(text: str, language: str, stock: Phrases, dice: _Dice) -> str:
    if language == "en" and dice.roll() < 0.6:
        words = (word if dice.roll() < 0.4 else stock.short.get(word, word) for word in text.split(" "))
        text = " ".join(words)
    if dice.roll() < 0.45:
        text = text.lower()
    elif dice.roll() < 0.03:
        text = text.upper()
    for _ in range(2):
        if dice.roll() < 0.25:
            text = _misspell(text, dice)
    if dice.roll() < 0.4:
        text = text.rstrip(".!")
    return text


def _write(kind: str, reason: str, second: str, language: str, known: dict[str, str], dice: _Dice) -> str:
    stock = phrases()
    table = stock.loss if kind == "loss" else stock.win
    if dice.roll() < JUNK_SHARE:
        return _fill(dice.pick(stock.junk), stock, known, dice)
    sentences = table[language].get(reason)
    if sentences is None:
        language, sentences = "en", table["en"][reason]
    text = _fill(dice.pick(sentences), stock, known, dice)
    extra = table[language].get(second)
    if extra and second != reason and dice.roll() < SECOND_SHARE:
        text += dice.pick((" ", " + ", " / ", " - ", "\n")) + _fill(dice.pick(extra), stock, known, dice)
    if language == "en":
        if dice.roll() < 0.25:
            text = dice.pick(stock.openings[kind]) + text
        if dice.roll() < 0.25:
            text += " " + _fill(dice.pick(stock.endings[kind]), stock, known, dice)
    return _mess_up(text, language, stock, dice)


def write_notes(
    kind: str, names: Sequence[str], reason: IntArray, second: IntArray, language: IntArray, rival: Sequence[str],
    period: Sequence[str], rng: np.random.Generator,
) -> list[str]:  # fmt: skip
    """The notes on n closed deals, n strings.

    Args:
        kind: loss or win.
        names: Names of the reasons.
        reason: Place of each deal's true reason in `names`, shape (n,).
        second: Place of a second reason that some notes name too, shape (n,).
        language: Place of each note's language in `LANGUAGES`, shape (n,); what a language cannot say is in English.
        rival: Name of the rival in each deal, "" where none is known.
        period: Date that the customer of each deal named, in words, "" where none is known.
        rng: Where all chance comes from.
    """
    rows = rng.random((len(reason), _DRAWS)).astype(np.float64)
    return [
        _write(kind, names[r], names[s], LANGUAGES[lang], {"rival": who, "period": when}, _Dice(row))
        for r, s, lang, who, when, row in zip(reason, second, language, rival, period, rows, strict=True)
    ]

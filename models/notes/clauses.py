"""The parts of a note that may each give a reason of their own: "too pricey + no SSO, but they liked the demo"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.notes.vocabulary import fold, word_set

# Fewer letters than this say nothing alone ("ok", "so") and go to the neighbour.
MIN_LETTERS = 3

_ABBREVIATIONS = word_set("""
e.g i.e etc vs approx ca incl excl dept mgr mgmt govt inc ltd co corp no nr tel ext fig st jr mr mrs ms dr prof sr sra
srta z.b bzw d.h u.a lt wg inkl zzgl evtl ggf max min std tsd mio mrd hr fr str usw abt gf bsp vgl geb
p.ex ex env m mme mlle cf av bd sté réf resp art tél
p.ej aprox pág núm ud uds vd vds admón dpto tfno avda d dña
es p.es sig dott ing avv geom rag ecc ns vs circa tot prec spett egr
jan feb mar apr jun jul aug sep sept oct okt nov dec dez janv févr avr juil déc ene abr ago dic gen mag giu lug set ott
""")

# One class of signs first, which `re` finds fast, then what must follow each; no branch looks back further than one
# sign or repeats what another could match.
_TURN = r"(?=(?:but|BUT|however|although|aber|jedoch|allerdings|mais|cependant|pero|sin embargo|ma|però)\b)"
_BREAK = re.compile(
    r"[\n.!?…;, ](?:"
    r"(?<=\n)\n*(?:[-*•] )?"
    r"|(?<=[.!?…])(?P<end>[.!?…]{0,9}[)\"'»]{0,2})(?=\s)"
    r"|(?<=;)"
    r"|(?<= )(?:[+/|•·*] |(?:[-\u2013\u2014]|--|->|=>|→) )"
    rf"|(?<=,) {_TURN}|(?<= ){_TURN})"
)
_BEFORE = re.compile(r"[^\s(,;:/+]{1,20}\Z")
_PLAIN_CHARACTERS = 24
_DASHES = ",-\u2013\u2014"


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a note.

    Attributes:
        start: Its first character in the note.
        end: The character after its last.
        text: `note[start:end]`.
    """

    start: int
    end: int
    text: str


def clauses(text: str) -> list[Clause]:
    """A cleaned note in parts, in order, none overlapping; what lies between them is blanks and separating signs.

    Parted at sentence ends, line breaks, ";", " + ", " / ", " - " and before "but" (aber, mais, pero, ma); not within
    numbers or after abbreviations. A part of fewer than `MIN_LETTERS` letters is joined to the one before it.
    """
    spans: list[tuple[int, int]] = []
    at = 0
    for found in _BREAK.finditer(text):
        if found[0] == "." and _is_abbreviation(text, found.start()):
            continue
        keep = found.start() if found["end"] is None else found.end()
        spans.append((at, keep))
        at = found.end()
    spans.append((at, len(text)))
    joined: list[tuple[int, int]] = []
    for start, end in (_trimmed(text, start, end) for start, end in spans):
        if start == end:
            continue
        if joined and (_is_tiny(text, start, end) or _is_tiny(text, *joined[-1])):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    parts = (Clause(start, end, text[start:end]) for start, end in joined)
    return [part for part in parts if any(sign.isalnum() for sign in part.text)]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and (text[start].isspace() or text[start] in _DASHES):
        start += 1
    while start < end and (text[end - 1].isspace() or text[end - 1] in _DASHES):
        end -= 1
    return start, end


def _is_tiny(text: str, start: int, end: int) -> bool:
    return end - start < _PLAIN_CHARACTERS and sum(sign.isalpha() for sign in text[start:end]) < MIN_LETTERS


def _is_abbreviation(text: str, dot: int) -> bool:
    """Whether the full stop at `dot` belongs to the word before it: "approx.", "z.B.", "28.4. Anruf"."""
    before = _BEFORE.search(text[max(dot - 20, 0) : dot])
    if before is None:
        return False
    word = fold(before[0])
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()) or re.fullmatch(r"(?:[a-z]\.){1,4}[a-z]", word):
        return True
    # An ordinal or a day ("1. Halbjahr", "bis 28.4. warten"); a longer number ends a sentence ("they paid 17500.").
    return bool(re.fullmatch(r"\d{1,2}(?:\.\d{1,2})?", word))

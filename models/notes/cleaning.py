"""A note as the seller meant it: without HTML, control signs, quoted mail, signatures, pasted templates, personal data.

Evidence refers to the cleaned text, and the cleaned text is what is shown and stored, so no way back to the raw one is
kept.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from models.notes.mail import has_words, without_inline_signature, without_quotes, without_signature
from models.notes.markup import without_markup
from models.notes.masking import Masking
from models.notes.vocabulary import fold

RAW_CHARACTERS = 100_000
MAX_CHARACTERS = 10_000
CUT = "\n[...]\n"
# Cleaning is repeated until nothing changes, because what quoted mail hid may be a signature; two rounds are the rule.
_ROUNDS = 12

# Zero-width signs, direction marks, soft hyphens, variation selectors, byte order mark, tags.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\ufffc\U000e0000-\U000e0fff]"
)
_BREAK = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_BLANKS = re.compile(r"[^\S\n]+")
_SINGLE, _DOUBLE = re.compile("[\u2018\u2019\u201a\u201b\u00b4`]"), re.compile("[“”„‟]")
# What a printable text in compatibility form may still hold that is to be changed.
_ODD = re.compile(
    "  |[\u2018-\u201f\u00b4`\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A note after cleaning.

    Attributes:
        text: What remains, at most `MAX_CHARACTERS` characters.
        masked: The kinds of personal data masked in it ("person", "email", "phone", "link", "iban", "card"), each once.
    """

    text: str
    masked: tuple[str, ...]


class Cleaner:
    """Cleans notes; made once for many.

    Args:
        names: People to mask wherever they are named: contacts, users.
        keep: Names never to mask: competitors.
        templates: Lines of pasted templates, as `repeated_lines` found them.
    """

    def __init__(
        self, names: Collection[str] = (), keep: Collection[str] = (), templates: Collection[str] = ()
    ) -> None:  # fmt: skip
        self._mask = Masking(names, keep)
        self._templates = frozenset(templates)

    def __call__(self, text: str) -> Cleaned:
        """Clean one note; time grows in proportion to its length, and cleaning what is clean changes nothing."""
        text = bounded(text, RAW_CHARACTERS)
        kinds: list[str] = []
        for _ in range(_ROUNDS):
            cleaned, masked = self._once(text)
            kinds += masked
            if cleaned == text:
                break
            text = cleaned
        return Cleaned(text, tuple(dict.fromkeys(kinds)))

    def _once(self, text: str) -> tuple[str, tuple[str, ...]]:
        text = normalised(text)
        if "<" in text or "&" in text:
            text = normalised(without_markup(text))
        lines = text.split("\n")
        if self._templates:
            lines = [line for line in lines if line_key(line) not in self._templates]
        if len(lines) > 1 or text.startswith(">"):
            lines = without_signature(without_quotes(lines))
        kept = without_inline_signature("\n".join(lines))
        made, masked = self._mask(kept)
        if made == text and len(made) <= MAX_CHARACTERS:
            return text, masked
        return normalised(bounded(made, MAX_CHARACTERS)), masked


def clean(text: str) -> Cleaned:
    """Clean one note, with no names or templates known."""
    return _DEFAULT(text)


_DEFAULT = Cleaner()


def normalised(text: str) -> str:
    """Unicode's compatibility form (NFKC), no control and invisible signs, one kind of blank, line break and quote."""
    if text.isprintable() and unicodedata.is_normalized("NFKC", text) and not _ODD.search(text):
        return text.strip()
    text = _BREAK.sub("\n", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    text = _DOUBLE.sub('"', _SINGLE.sub("'", text))
    if not text.isprintable():
        text = "".join(sign if sign == "\n" or sign.isprintable() else " " for sign in text)
    lines = (_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def bounded(text: str, most: int) -> str:
    """The head (six tenths) and the tail of a text that is too long: notes begin and end with what matters."""
    if len(text) <= most:
        return text
    head = (most - len(CUT)) * 6 // 10
    return text[:head] + CUT + text[head + len(CUT) - most :]


def line_key(line: str) -> str:
    """What makes two lines of a template the same: case, accents, digits, blanks and punctuation at the ends do not."""
    return re.sub(r"\d+", "0", " ".join(fold(line).split())).strip(" *-_=:.·•#>")


def repeated_lines(texts: Iterable[str], at_least: int = 20, share: float = 0.01) -> frozenset[str]:
    """Lines of pasted templates, learnt from many notes.

    A line counts when it stands in at least `at_least` notes and `share` of all, always or nearly always among other
    lines, and is long (20 characters) or a label without a value ("Next steps:"). A line that is often the whole note
    ("Lost on price") is what people say, not a template.

    Args:
        texts: Raw notes.
        at_least: Number of notes that must hold a line.
        share: Share of all notes that must hold it.

    Returns:
        Keys of lines (`line_key`), for `Cleaner`.
    """
    among: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    n = 0
    for text in texts:
        n += 1
        lines = [
            line for line in normalised(without_markup(bounded(text, RAW_CHARACTERS))).split("\n") if has_words(line)
        ]
        keys = {line_key(line) for line in lines if len(line) >= 20 or line.endswith((":", "?"))}
        (among if len(lines) > 1 else alone).update(keys)
    needed = max(at_least, share * n)
    return frozenset(key for key, count in among.items() if key and count >= needed and alone[key] <= count / 10)

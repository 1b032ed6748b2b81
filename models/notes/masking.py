"""Personal data taken out of a note: what stands in its place says of what kind it was.

Masked: e-mail addresses, telephone numbers, the path and query of web addresses (they carry tokens), IBANs (checked by
their check digits), card numbers (Luhn's check), people after a title ("Mrs. Smith"), a greeting ("Hi John"), or "spoke
to" and its like, and the names that are passed in (contacts, users).

Not caught, and nobody should rely on it: a name that stands alone ("Dana loved it") unless it is passed in, names in
lower case after a verb ("spoke to dana"), nicknames and initials, postal addresses, customer and passport numbers,
dates of birth, health or union matters told in words, telephone numbers written out or without a leading +, 0, ( or
word such as "tel", and people of other languages' titles. A firm after a verb of contact ("met with Acme") is taken for
a person unless it is among the names to keep. A word such as "Price" is not masked when it is only a part of a known
name, because far more notes speak of the price than of Ms Price.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from models.notes.names import NameIndex, name_tokens
from models.notes.vocabulary import (
    CAPITAL,
    CARD,
    EMAIL,
    FIRST_NAMES,
    IBAN,
    LINK,
    NAMES_THAT_ARE_WORDS,
    NO_RIVAL,
    PERSON,
    PHONE,
    fold,
    word_set,
)

# Repeats are bounded and starts anchored by look-behind: each expression is linear in the text's length.
_LINK = re.compile(r"(?<![\w/])(?:https?://|www\.)([^\s<>\"'\[\]]{1,2000})(?:\[link\])?", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_CARD = re.compile(r"(?<![\d.,])\d(?:[ -]?\d){12,18}(?!\d)")
_PHONE = re.compile(r"(?<![\w.,/+-])(?:\+|\()?\d(?:[ ().\-/]{0,3}\d){6,15}(?!\d)")
_DIGIT = re.compile(r"\d")
_DATE = re.compile(r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}))(?!\d)")
_TELEPHONE_WORD = re.compile(
    r"(?:\btel|\bphone|\bmobile?|\bcell|\bfax|\bhandy|\bmobil|\bt[eé]l[eé]phone|\bm[oó]vil|\btfno|\btelefono"
    r"|\bcellulare"
    r"|\bcall|\bwhatsapp)\w{0,6}[.:]{0,2} ?\(?$",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}|[6-9]\d\d[ .-]\d{3}[ .-]\d{3}|[6-9]\d\d(?:[ .-]\d\d){3}")
_MONEY_BEFORE = re.compile(r"(?:[€$£]|\b(?:eur|usd|chf|gbp)) ?$", re.IGNORECASE)
_MONEY_AFTER = re.compile(r" ?(?:[€$£%]|(?:eur|usd|chf|gbp|k|m|mio)\b)", re.IGNORECASE)

_NAME = rf"{CAPITAL}(?:[^\W\d_]|['\u2019-](?=[^\W\d_])){{1,30}}"
_INITIAL = rf"{CAPITAL}\.? ?"
_PARTICLE = r"(?:(?:von|van|de|del|della|di|da|du|le|la|zu|der|den|ter)\s){0,2}"
_FULL = rf"(?:{_INITIAL})?{_PARTICLE}{_NAME}(?:[ ](?:{_INITIAL}(?=[ ]?{CAPITAL}))?{_PARTICLE}{_NAME}){{0,2}}"
_TITLE = (
    r"(?:(?:(?i:Mr|Mrs|Ms|Hrn?|Mme|Mlle|Sra?|Srta|Sig|Dra?|Dott|Ing|Avv|Geom|Rag|Prof|Dipl\.-Ing|Dña)|Fr|M|D|H)\."
    r"|(?i:Sig\.(?:ra|na|rina)|Dott\.ssa|Mr|Mrs|Miss|Mister|Herrn?|Frau|Fräulein|Mme|Mlle|Monsieur|Madame"
    r"|Mademoiselle|Maître|Sra?|Srta|Señor(?:a|ita)?|Don|Doña|Signor[aei]?|Signorina|Dottor(?:e|essa)?|Ingegner"
    r"|Avvocato|Dr|Prof|Hr)(?=\s)|Ms(?=\s))"
)
_GREETING = (
    r"(?:Hi|Hello|Hey|Dear|Hallo|Liebe[r]?|Guten (?:Tag|Morgen)|Servus|Moin|Sehr geehrte[r]?|Bonjour|Salut|Chère?"
    r"|Hola|Estimad[oa]|Querid[oa]|Buenos días|Ciao|Gentile|Egregio|Buongiorno|Salve|Car[oa])"
)
_CONTACT = (
    r"(?:(?:spoke|speaking|talked|talking|chatted|met|meeting|call|lunch|demo|emailed) (?:to|with|w/)|heard from"
    r"|email from|emailed"
    r"|according to|reached out to|gesprochen mit|telefonat mit|gespräch mit|termin mit|rücksprache mit|laut"
    r"|parlé (?:à|avec)|échangé? avec|appel avec|rdv avec|vu avec|selon|hablado con|hablé con|reunión con"
    r"|llamada con|según|parlato con|sentito|incontro con|riunione con|secondo)"
)
_AFTER_TITLE = re.compile(rf"(?<!\w)((?:{_TITLE}\s?){{1,3}}\s?){_FULL}")
_AFTER_GREETING = re.compile(
    rf"(?<!\w)(?i:({_GREETING}),?) (?!{_TITLE})({_FULL})(?=\s*(?:[,!.:;\u2013-]|\n|\Z)|\s+(?:and|und|et|y|e)\s)"
)
# A role may stand before the name: "call with CFO Anna".
_AFTER_CONTACT = re.compile(rf"(?<!\w)(?i:({_CONTACT})) (?:[A-Z]{{2,4}} )?(?!{_TITLE})({_NAME}(?: {_NAME}){{0,2}})")


def _written(text: str) -> frozenset[str]:
    """Words with and without their accents."""
    return frozenset(text.split()) | word_set(text)


_LETTERS = re.compile(r"[^\W\d_]+")
_SHORT_TITLES = ("M.", "H.", "D.", "Fr.", "Don ", "don ")
# The first word of each title, greeting and phrase of contact: without one of them the expressions are not tried.
_TITLE_WORDS = _written("""
mr mrs ms hr hrn mme mlle sr sra srta sig dr dra dott ing avv geom rag prof dipl dña miss mister herr herrn frau
fräulein monsieur madame mademoiselle maître señor señora señorita doña signora signore signori signor signorina
dottor dottore dottoressa ingegner avvocato
""")
_GREETING_WORDS = _written("""
hi hello hey dear hallo liebe lieber guten servus moin sehr bonjour salut cher chère ch hola estimado estimada querido
querida buenos ciao gentile egregio buongiorno salve caro cara
""")
_CONTACT_WORDS = _written("""
spoke speaking talked talking chatted met meeting call lunch demo emailed heard email according reached gesprochen
telefonat gespräch termin rücksprache laut parlé échange échangé appel rdv vu selon hablado hablé reunión llamada
según parlato sentito incontro riunione secondo
""")
_NOT_GREETED = word_set("""
all team everyone everybody there folks both sir madam ladies guys zusammen alle leute tous toutes todos tutti equipo
equipe
""")


def luhn(digits: str) -> bool:
    """Whether a number passes Luhn's check (ISO/IEC 7812-1, annex B)."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number // 10 + number % 10 for number in doubled) % 10 == 0


def iban_length(text: str) -> int:
    """Length of the valid IBAN a text begins with, its spaces counted, or 0 (ISO 13616: remainder 1 modulo 97)."""
    while len(text) >= 15:
        packed = text.replace(" ", "")
        if 15 <= len(packed) <= 34 and int("".join(str(int(sign, 36)) for sign in packed[4:] + packed[:4])) % 97 == 1:
            return len(text)
        text = text[:-1].rstrip()
    return 0


class Masking:
    """Masks personal data in texts.

    Args:
        names: People to mask wherever they are named: contacts, users. A part of a name ("Smith") counts when it is
            written with a capital.
        keep: Names never to be masked: competitors.
    """

    def __init__(self, names: Collection[str] = (), keep: Collection[str] = ()) -> None:
        parts = (token for name in names for token in name_tokens(name)
                 if len(token) >= 3 and token not in NAMES_THAT_ARE_WORDS and token not in NO_RIVAL)  # fmt: skip
        self._known = NameIndex([*names, *parts], lambda word: word[:1].isupper())
        self._kept = NameIndex(keep)
        self._keep = {fold(name) for name in keep}

    def __call__(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The text with masks, and the kinds of what was masked ("email", "person", ...), each once, in order.

        Masking a masked text changes nothing.
        """
        kinds: list[str] = []

        def put(mask: str) -> str:
            kinds.append(mask.strip("[]"))
            return mask

        # What cannot match is not tried: most notes hold neither an address nor seven digits nor a title.
        if "://" in text or "www." in text.lower():
            text = _LINK.sub(lambda match: _bare_link(match, put), text)
        if "@" in text:
            text = _EMAIL.sub(lambda match: put(EMAIL), text)
        if len(_DIGIT.findall(text)) >= 7:
            text = _IBAN.sub(lambda match: _iban(match, put), text)
            text = _CARD.sub(lambda match: _card(match, put), text)
            text = _PHONE.sub(lambda match: put(PHONE) if _is_phone(match) else match.group(), text)
        text = self._names(text, put)
        return text, tuple(dict.fromkeys(kinds))

    def _names(self, text: str, put: Callable[[str], str]) -> str:
        words = set(_LETTERS.findall(text.lower()))
        if not words.isdisjoint(_TITLE_WORDS) or any(title in text for title in _SHORT_TITLES):
            text = _AFTER_TITLE.sub(lambda match: match[1] + put(PERSON), text)
        if not words.isdisjoint(_GREETING_WORDS):
            text = _AFTER_GREETING.sub(lambda match: self._greeted(match, put), text)
        if not words.isdisjoint(_CONTACT_WORDS):
            text = _AFTER_CONTACT.sub(lambda match: self._contacted(match, put), text)
        if not self._known:
            return text
        kept = bytearray(len(text))
        for mention in self._kept.find(text):
            kept[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
        pieces, at = [], 0
        for mention in self._known.find(text):
            if not any(kept[mention.start : mention.end]):
                pieces += [text[at : mention.start], put(PERSON)]
                at = mention.end
        return "".join([*pieces, text[at:]])

    def _greeted(self, match: re.Match[str], put: Callable[[str], str]) -> str:
        if fold(match[2].split()[0]) in _NOT_GREETED or fold(match[2]) in self._keep:
            return match.group()
        return match.group()[: match.start(2) - match.start()] + put(PERSON)

    def _contacted(self, match: re.Match[str], put: Callable[[str], str]) -> str:
        words = [fold(word) for word in match[2].split()]
        if words[0] in NO_RIVAL or self._kept.find(match[2]) or match[2].isupper():
            return match.group()
        # "spoke to Dana Monday": the name ends before a word that is none. "met with Anna GF" keeps what she is.
        taken = next((n for n, word in enumerate(words) if n and word in NO_RIVAL), len(words))
        if words[0] in FIRST_NAMES or taken < len(words):
            taken = min(taken, 2)
        rest = match[2].split()[taken:]
        return match.group()[: match.start(2) - match.start()] + " ".join([put(PERSON), *rest])


def _bare_link(match: re.Match[str], put: Callable[[str], str]) -> str:
    """The host stays, because it may name a rival; user, path, query and fragment go."""
    where = match[1].rstrip(".,;:!?)")
    after = match[1][len(where) :]
    authority = re.split(r"[/?#]", where, maxsplit=1)[0]
    host = authority.rsplit("@", 1)[-1]
    if host == where:
        return host + after
    return f"{host}/{put(LINK)}{after}"


def _iban(match: re.Match[str], put: Callable[[str], str]) -> str:
    length = iban_length(match.group())
    return put(IBAN) + match.group()[length:] if length else match.group()


def _card(match: re.Match[str], put: Callable[[str], str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    return put(CARD) if digits[0] in "23456" and luhn(digits) else match.group()


def _is_phone(match: re.Match[str]) -> bool:
    """Whether a run of digits is a telephone number rather than a date, an amount or a number of an order."""
    found, text = match.group(), match.string
    before = text[max(match.start() - 20, 0) : match.start()]
    if _DATE.match(found) or _MONEY_BEFORE.search(before) or _MONEY_AFTER.match(text, match.end()):
        return False
    if not found.startswith(("+", "(")) and re.fullmatch(r"\d+[.-]?\d*", found) and not found.startswith("0"):
        return bool(_TELEPHONE_WORD.search(before))
    if re.fullmatch(r"\d{1,3}(?:[. ]\d{3})+", found) and not _GROUPED.fullmatch(found):
        return bool(_TELEPHONE_WORD.search(before))
    national = found.startswith("0") and len(re.sub(r"\D", "", found)) >= 9
    return national or found.startswith(("+", "(")) or bool(_GROUPED.fullmatch(found) or _TELEPHONE_WORD.search(before))


def mask(text: str, names: Iterable[str] = (), keep: Iterable[str] = ()) -> str:
    """One text with its personal data masked; for many texts make a `Masking` once."""
    return Masking(list(names), list(keep))(text)[0]

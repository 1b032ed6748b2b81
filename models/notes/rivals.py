"""The competitor that a note names: one of the CRM's own list, or whoever a sentence says was chosen instead."""

from __future__ import annotations

import re
from collections.abc import Collection

from models.notes.names import Mention, NameIndex
from models.notes.vocabulary import CAPITAL, FIRST_NAMES, LEGAL_FORMS, MONTHS, NO_RIVAL, WEEKDAYS, fold

# Up to three words with a capital, "&" between them allowed ("Kessler & Voigt"); or one in lower case ("plandesk").
_WORD = rf"{CAPITAL}[\w'+-]{{0,30}}(?:\.\w{{2,12}})?"
_NAME = rf"{_WORD}(?: (?:& )?{_WORD}){{0,2}}"
_LOWER = r"[^\W\d_A-Z][\w-]{3,30}(?:\.\w{2,12})?"
_ARTICLE = r"(?:(?:the|die|den|der|das|la|le|el|il|lo|a|with|con|bei|an)\s)?"

# What stands before the name. No unbounded repeat may stand here: all are tried at every word.
_BEFORE = (
    # English
    r"(?:went|gone|going) with", r"(?:lost|losing)(?: it| this| the deal| out)? (?:to|vs|against)",
    r"(?:chose|chosen|choosing|picked|selected|preferred|prefer)", r"(?:beaten|beat|undercut|replaced|outbid) by",
    r"(?:signed|signing|stayed|staying|stuck|sticking|renewed|remain|remained) (?:up )?(?:with|w/)", r"went w/",
    r"(?:switched|switching|moved|moving|defected) (?:over )?to",
    r"(?:already|currently|still) (?:using|use|with|on|has|have)",
    r"(?:contract|deal|order|award|it) went to", r"awarded to", r"keeping",
    # German
    r"(?:zuschlag|auftrag) (?:ging|geht|bekam|bekommt|erhielt|hat)(?: an)?", r"(?:verloren|vergeben) an",
    r"verloren gegen",
    r"bleib(?:t|en) bei", r"(?:wechseln|wechselt|gewechselt|gehen|gegangen) zu",
    r"(?:nutzen|nutzt|verwenden|haben) (?:bereits|schon)",
    # French
    r"(?:choisi|choisit|choisissent|retenu|préféré|préfèrent)", r"signé (?:avec|chez)",
    r"(?:parti|partis|partent) (?:chez|avec|sur)",
    r"perdue? (?:contre|face à|vs)", r"(?:reste|restent) (?:chez|avec)", r"(?:utilisent|ont) déjà",
    r"déjà (?:chez|équipés? de)",
    # Spanish
    r"(?:eligieron|eligió|elegido|eligen|escogieron|escogido|escogió|prefirieron|preferido|prefieren)",
    r"(?:optado|optaron|optan) por", r"(?:firmado|firmaron|siguen|sigue) con",
    r"se (?:van|fueron|quedan|quedaron|va|fue|han ido) con",
    r"adjudicad[oa]", r"perdid[oa] (?:contra|frente a)", r"ya (?:usan|tienen|trabajan)",
    # Italian
    r"(?:scelto|scelgono|preferito|preferiscono)", r"firmato con", r"(?:andati|passati) (?:con|da|a|ad)",
    r"pers[oa] contro",
    r"assegnat[oa]", r"(?:rimasti|restano|rimangono) con", r"(?:usano|utilizzano|hanno) già",
)  # fmt: skip
_CHOSEN = re.compile(rf"(?<!\w)(?i:{'|'.join(_BEFORE)}) (?i:{_ARTICLE})({_NAME})")
# Only after these may a name be in lower case: after "chose" or "already" follows anything.
_CHOSEN_LOWER = re.compile(
    r"(?<!\w)(?i:(?:went|going|gone|signed) (?:with|w/)|lost(?: it| this| the deal)? to|(?:beaten|beat|undercut) by"
    r"|verloren (?:an|gegen)|gewechselt zu|signé (?:avec|chez)|perdue? (?:contre|face à)|(?:firmado|firmaron) con"
    r"|se (?:van|fueron|quedan) con|perdid[oa] contra|firmato con|andati con|pers[oa] contro"
    rf") (?i:{_ARTICLE})({_LOWER})"
)
_DECIDED = re.compile(
    rf"(?<!\w)(?i:für) (?i:{_ARTICLE})({_NAME}|{_LOWER})(?= (?i:(?:als \w{{1,30}} )?entsch(?:ieden|eiden|ied)))"
)
_DECIDED_FOR = re.compile(
    rf"(?<!\w)(?i:entsch(?:ieden|eiden|ied)(?: sich)? für|decided (?:on|for)) (?i:{_ARTICLE})({_NAME})"
)
_AFTER = (
    r"(?:over|instead of) us", r"(?:got|won|has|took) (?:it|the deal|the contract)",
    r"(?:undercut|beat|outbid) us", r"came in (?:at|with)",
    r"customers? now", r"statt uns", r"hat (?:gewonnen|den zuschlag|den auftrag)",
    r"a (?:été retenue?|gagné|remporté)", r"l'a emporté",
    r"a été (?:choisie?|retenue?)", r"qui a été (?:choisie?|retenue?)", r"se lo (?:ha llevado|llevó|lleva)",
    r"nos ganó",
    r"ha (?:vinto|ganado)", r"al posto nostro",
)  # fmt: skip
_PREFERRED = re.compile(rf"(?<!\w)({_NAME}) (?i:{'|'.join(_AFTER)})(?!\w)")
# A word in lower case is a name only where the clause ends with it, not in "went with cheaper hardware".
_ENDS = re.compile(
    r"\s*(?:[.,;:!?()+/-]|\n|\Z)|\s+(?:for|on|because|since|instead|bc|after|entschieden)\b", re.IGNORECASE
)

_NOBODY = NO_RIVAL | WEEKDAYS | MONTHS


class RivalFinder:
    """Finds competitors in notes; made once for many.

    A known name counts wherever it stands, in any case, with or without accents and legal form. Two kinds do not: days
    and months ("monday" is seldom the product; "monday.com" is found), and picklist values that name nobody ("Other").

    Not told apart: a firm from a product, a person's surname from a firm of that name ("went with Harrison"), a rival
    from a partner. In lower case an unknown name is found only at the end of a clause ("lost to plandesk").

    Args:
        known: Competitors' names, e.g. of the CRM's picklist.
    """

    def __init__(self, known: Collection[str] = ()) -> None:
        self._known = NameIndex(name for name in known if re.sub(r"[\W_]", "", fold(name)) not in _NOBODY)

    def __call__(self, text: str) -> list[Mention]:
        """Mentions in order, none overlapping; a name is as the CRM writes it, or as the note does if it is unknown."""
        found = self._known.find(text)
        taken = bytearray(len(text))
        for mention in found:
            taken[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
        for pattern in (_CHOSEN, _CHOSEN_LOWER, _DECIDED, _DECIDED_FOR, _PREFERRED):
            for match in pattern.finditer(text):
                span = _name_in(text, *match.span(1))
                if span and not any(taken[slice(*span)]):
                    found.append(Mention(*span, text[slice(*span)]))
                    taken[slice(*span)] = b"\1" * (span[1] - span[0])
        return sorted(found, key=lambda mention: mention.start)


def rivals_in(text: str, known: Collection[str]) -> list[Mention]:
    """Competitors that one note names; for many notes make a `RivalFinder` once."""
    return RivalFinder(known)(text)


def _name_in(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The part of text[start:end] that can be a firm's name, or None."""
    words = list(re.finditer(r"[^\s&]+", text[start:end]))
    while words and _is_nobody(words[-1][0]):
        words.pop()
    while words and _is_nobody(words[0][0]):
        words.pop(0)
    if not words or (len(words) == 1 and fold(_stem(words[0][0])) in FIRST_NAMES | LEGAL_FORMS):
        return None
    first, last = start + words[0].start(), start + words[-1].start() + len(_stem(words[-1][0]))
    if text[first].islower() and not _ENDS.match(text, last):
        return None
    return first, last


def _stem(word: str) -> str:
    """A word without possessive and punctuation at its end: "Nimbral's" is Nimbral."""
    return re.sub(r"['\u2019]s?$|[-'+.]+$", "", word)


def _is_nobody(word: str) -> bool:
    stem = fold(_stem(word))
    parts = [part for part in stem.split("-") if part]
    return len(stem) < 2 or stem.removesuffix("s") in _NOBODY or all(part in _NOBODY for part in parts)

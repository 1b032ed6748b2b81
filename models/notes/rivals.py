"""The competitor that a note names: one of the CRM's own list, or whoever a sentence says was chosen instead."""

from __future__ import annotations

import re
from collections.abc import Collection

from models.notes.names import Mention, NameIndex
from models.notes.vocabulary import CAPITAL, FIRST_NAMES, LEGAL_FORMS, NO_RIVAL, fold

# Before the name.
_BEFORE = """
chose|chosen|choosing|picked|selected|preferred|prefer|prefers|lost vs|lost against|losing to|outbid by|replaced by
stayed with|staying with|stuck with|sticking with|renewed with|remain with|remained with|signed up with|signing with
switched to|switched over to|switching to|moved to|moved over to|moving to|defected to|already using|already use
already with|already on|already has|already have|currently using|currently use|currently with|currently on|still using
still with|still on|contract went to|deal went to|order went to|award went to|awarded to|keeping|decided on
decided for|zuschlag ging an|zuschlag geht an|zuschlag bekam|zuschlag bekommt|zuschlag erhielt|zuschlag hat
auftrag ging an|auftrag geht an|auftrag bekam|auftrag bekommt|auftrag erhielt|auftrag hat|vergeben an|bleibt bei
bleiben bei|wechseln zu|wechselt zu|gehen zu|gegangen zu|nutzen bereits|nutzen schon|nutzt bereits|nutzt schon
haben bereits|haben schon|entschieden für|entscheiden sich für|entschied sich für|choisi|choisit|choisissent|retenu
préféré|préfèrent|parti chez|partis chez|partent chez|parti avec|partis avec|partent avec|perdu vs|perdue vs
reste chez|restent chez|restent avec|utilisent déjà|ont déjà|déjà chez|déjà équipé de|déjà équipés de|eligieron|eligió
elegido|eligen|escogieron|escogido|escogió|prefirieron|preferido|prefieren|optado por|optaron por|optan por|siguen con
sigue con|se va con|se fue con|se han ido con|adjudicado|adjudicada|ya usan|ya tienen|ya trabajan con|scelto|scelgono
preferito|preferiscono|andati da|passati a|passati ad|passati con|assegnato|assegnata|rimasti con|restano con
rimangono con|usano già|utilizzano già|hanno già
"""
# Before the name, which may here be in lower case: after "chose" or "already" anything may follow.
_BEFORE_LOWER = """
went with|going with|gone with|went w|signed with|signed w|lost to|lost it to|lost this to|lost the deal to
lost out to|beaten by|beat by|undercut by|verloren an|verloren gegen|gewechselt zu|signé avec|signé chez|perdu contre
perdue contre|perdu face à|perdue face à|firmado con|firmaron con|se van con|se fueron con|se quedan con
se quedaron con|perdido contra|perdida contra|perdido frente a|firmato con|andati con|perso contro|persa contro
"""
# After the name, behind an auxiliary verb ("hat gewonnen", "a été retenu") or not.
_AFTER = """
over us|instead of us|got it|won it|took it|got the deal|won the deal|got the contract|won the contract|undercut us
beat us|outbid us|came in at|came in with|customer now|customers now|statt uns|gewonnen|den zuschlag|den auftrag
été retenu|été retenue|été choisi|été choisie|gagné|remporté|emporté|lo ha llevado|llevado|nos ganó|ganado|vinto
al posto nostro
"""
# German: "für X entschieden", with the verb at the end.
_VERB_LAST = "entschieden|entscheiden|entschied|gewechselt|gegangen"

# Up to three words with a capital, "&" between them allowed ("Kessler & Voigt"); or one in lower case ("plandesk").
_WORD = rf"{CAPITAL}[\w'+-]{{0,30}}(?:\.\w{{2,12}})?"
_NAME = rf"{_WORD}(?: (?:& )?{_WORD}){{0,2}}"
_LOWER = r"[^\W\d_A-Z][\w-]{3,30}(?:\.\w{2,12})?"
_ARTICLE = r"(?:(?:the|die|den|der|das|la|le|el|il|lo|a|with|con|bei|an)\s)?"
_NEXT = re.compile(rf"/? (?i:{_ARTICLE})({_NAME})")
_NEXT_LOWER = re.compile(rf"/? (?i:{_ARTICLE})({_LOWER})")
_LAST = re.compile(rf"(?<!\w)({_NAME}) (?:(?:a|hat|ha|has|had|qui a|se|se lo ha) |l'a )?\Z")
_LAST_FOR = re.compile(rf"(?<!\w)(?i:für|zu) (?i:{_ARTICLE})({_NAME}|{_LOWER}) (?:als \w{{1,30}} )?\Z")
_BACK = 120
# A word in lower case is a name only where the clause ends with it, not in "went with cheaper hardware".
_ENDS = re.compile(
    r"\s*(?:[.,;:!?()+/-]|\n|\Z)|\s+(?:for|on|because|since|instead|bc|after|entschieden)\b", re.IGNORECASE
)


def _cues() -> NameIndex:
    """Where a name may stand next to: phrases, found like known names, each with the kind of its list as name."""
    index = NameIndex(())
    for kind, phrases in (("lower", _BEFORE_LOWER), ("before", _BEFORE), ("after", _AFTER), ("verb", _VERB_LAST)):
        for phrase in phrases.replace("\n", "|").split("|"):
            tokens = fold(phrase).replace("'", " ").split()
            if tokens:
                index.add(tokens, kind)
    return index


_CUES = _cues()


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
        self._known = NameIndex(name for name in known if re.sub(r"[\W_]", "", fold(name)) not in NO_RIVAL)

    def __call__(self, text: str) -> list[Mention]:
        """Mentions in order, none overlapping; a name is as the CRM writes it, or as the note does if it is unknown."""
        found = self._known.find(text)
        taken = bytearray(len(text))
        for mention in found:
            taken[mention.start : mention.end] = b"\1" * (mention.end - mention.start)
        for cue in _CUES.find(text):
            span = _beside(text, cue)
            if span and not any(taken[slice(*span)]):
                found.append(Mention(*span, text[slice(*span)]))
                taken[slice(*span)] = b"\1" * (span[1] - span[0])
        return sorted(found, key=lambda mention: mention.start)


def rivals_in(text: str, known: Collection[str]) -> list[Mention]:
    """Competitors that one note names; for many notes make a `RivalFinder` once."""
    return RivalFinder(known)(text)


def _beside(text: str, cue: Mention) -> tuple[int, int] | None:
    """Where the name beside a phrase stands, if one does."""
    if cue.name in {"after", "verb"}:
        back = max(cue.start - _BACK, 0)
        match = (_LAST if cue.name == "after" else _LAST_FOR).search(text[back : cue.start])
        return _name_in(text, back + match.start(1), back + match.end(1)) if match else None
    match = _NEXT.match(text, cue.end)
    if match is None and cue.name == "lower":
        match = _NEXT_LOWER.match(text, cue.end)
    return _name_in(text, *match.span(1)) if match else None


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
    return len(stem) < 2 or stem.removesuffix("s") in NO_RIVAL or all(part in NO_RIVAL for part in parts)

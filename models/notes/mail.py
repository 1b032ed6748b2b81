"""What is pasted around a note's own words: quoted mail, header blocks, signatures, contact blocks.

Works line by line, so a text is read once whatever it holds. Nothing is cut that would leave the note empty: when a
note *is* a pasted mail, its first message is what it says.
"""

from __future__ import annotations

import re

from models.notes.vocabulary import CAPITAL, LEGAL_FORMS, fold

SIGNATURE_LINES = 8
SIGNATURE_CHARACTERS = 400
LINE_CHARACTERS = 80

_SEPARATOR = re.compile(
    r"\s*[-_]{2,40}\s*(?:original message|original appointment|forwarded message|forwarded by"
    r"|urspr[uü]ngliche nachricht"
    r"|weitergeleitete nachricht|message d'origine|message original|message transf[eé]r[eé]|mensaje original"
    r"|mensaje reenviado|messaggio originale|messaggio inoltrato)\b|\s*_{20,}\s*$|\s*begin forwarded message:",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"\s*(?:on|am|le|el|il)\b.{4,200}\b(?:wrote|schrieb|a écrit|escribió|ha scritto)\b.{0,60}:\s*$", re.IGNORECASE
)
_WROTE_BEGINS = re.compile(r"\s*(?:on|am|le|el|il)\b.{0,30}\d", re.IGNORECASE)
_HEADER = re.compile(
    r"\s*\**(from|von|de|da|to|an|à|para|a|cc|bcc|sent|gesendet|envoyé|enviado(?: el)?|inviato|date|datum|fecha|data"
    r"|subject|betreff|objet|asunto|oggetto)\**\s?:\**(?:\s|$)",
    re.IGNORECASE,
)
_SENDER = frozenset({"from", "von", "de", "da"})
_QUOTED = re.compile(r"[ \t]*>[> \t|]*")

_SIGN_OFF = (
    r"(?:(?:with )?(?:best|kind|warm|kindest|warmest)(?: and \w+)? (?:regards|wishes)|best regards|regards|rgds"
    r"|cheers|sincerely"
    r"|yours (?:sincerely|faithfully|truly)|many thanks(?: and (?:best|kind) regards)?|thanks(?: again)?|thank you"
    r"|all the best"
    r"|mit (?:freundlichen|besten|herzlichen|sonnigen) gr(?:ü|ue)(?:ß|ss)en|(?:freundliche|beste|viele|liebe"
    r"|herzliche|schöne)"
    r" gr(?:ü|ue)(?:ß|ss)e|mfg|vg|lg|bg|(?:bien )?cordialement|bien à vous|sincères salutations"
    r"|salutations distinguées|cdt"
    r"|(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|atte|(?:cordiali|distinti) saluti"
    r"|(?:un )?cordiale? saluto"
    r"|saluti|sent from my \w+|von meinem \w+ gesendet|envoyé de mon \w+|enviado desde mi \w+|inviato da(?:l mio)? \w+"
    r"|get outlook for \w+)"
)
# "Thanks, John Doe" signs off; "Thanks, but they chose another" does not.
_SIGNED = rf"(?-i:{CAPITAL}[\w.'-]{{0,30}}(?: {CAPITAL}[\w.'-]{{0,30}}){{0,2}}|\[person\])"
_SIGN_OFF_LINE = re.compile(rf"\s*(?:{_SIGN_OFF}\s*[,.!\u2013-]?\s?(?:{_SIGNED})?|--|—|__)\s*$", re.IGNORECASE)
_SIGN_OFF_INLINE = re.compile(
    r"(?<=[.!?)] )(?:best regards|kind regards|warm regards|mit freundlichen gr(?:ü|ue)(?:ß|ss)en"
    r"|(?:bien )?cordialement"
    r"|saludos cordiales|un (?:cordial )?saludo|(?:cordiali|distinti) saluti)\b",
    re.IGNORECASE,
)
# Each of the phrases above holds one of these: without one the expression is not tried.
_SIGN_OFF_STEMS = ("regards", "freundlichen gr", "cordialement", "salud", "saluti")
_POSTSCRIPT = re.compile(r"\s*p\.?\s?s\.?\b", re.IGNORECASE)
_CONTACT_LINE = re.compile(
    r"\[(?:phone|email|link)\]|\b(?:tel|phone|fax|mobile?|mobil|cell|tél|móvil|cellulare)\b\.?\s?:?\s?\+?[\d(]"
    r"|@\w+\.\w|\bwww\."
    r"|\+\d[\d ()-]{6,}|https?://",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"\bintended (?:solely |only |exclusively )?for the\b|\bintended recipient|\b(?:diese"
    r"|dieses) e-?mail\b.{0,40}\bvertraulich"
    r"|\bce (?:message|courriel)\b.{0,60}\bconfidentiel|\beste (?:mensaje|correo)\b.{0,60}\bconfidencial"
    r"|\bquest[oa] (?:messaggio|e-?mail)\b.{0,60}\briservat|\bconsider the environment before",
    re.IGNORECASE,
)


def without_quotes(lines: list[str]) -> list[str]:
    """Drop quoted messages; where nothing else stands, keep the first message, without its header."""
    messages: list[list[str]] = [[]]
    at = 0
    while at < len(lines):
        length = _marker(lines, at)
        if length:
            messages.append([])
            at += length
        else:
            messages[-1].append(lines[at])
            at += 1
    if len(messages) > 1:
        lines = next((message for message in messages if any(line.strip(" \t>") for line in message)), [])
    return _unquoted(lines, replied=len(messages) > 1)


def _marker(lines: list[str], at: int) -> int:
    """How many lines the head of a quoted message takes that begins here, or 0."""
    line = lines[at]
    if _SEPARATOR.match(line):
        return 1 + _header_lines(lines, at + 1)
    if _WROTE.match(line):
        return 1
    # Mail programs break the attribution in two lines: "On 3 May 2026 at 10:11, Dana Whitfield\n<...> wrote:".
    if len(line) < 200 and at + 1 < len(lines) and len(lines[at + 1]) < 100 and _WROTE_BEGINS.match(line):
        return 2 if _WROTE.match(f"{line} {lines[at + 1]}") else 0
    head = _HEADER.match(line)
    if head and head[1].lower() in _SENDER:
        count = _header_lines(lines, at)
        return count if count >= 3 else 0
    return 0


def _header_lines(lines: list[str], at: int) -> int:
    """How many lines from here on are lines of a mail's header, blank ones between them counted."""
    count = 0
    for place in range(at, min(at + 12, len(lines))):
        if _HEADER.match(lines[place]):
            count = place - at + 1
        elif lines[place].strip():
            break
    return count


def _unquoted(lines: list[str], replied: bool) -> list[str]:
    """Drop runs of three and more lines that begin with ">"; shorter ones are a seller's bullets and lose the sign."""
    kept: list[str] = []
    run: list[str] = []
    own = any(line.strip() and not _QUOTED.match(line) for line in lines)
    for line in [*lines, ""]:
        if _QUOTED.match(line):
            run.append(_QUOTED.sub("", line, count=1))
            continue
        if run and not (own and (len(run) >= 3 or replied)):
            kept += run
        run = []
        kept.append(line)
    return kept[:-1]


def without_signature(lines: list[str]) -> list[str]:
    """Drop the sign-off, with the short lines after it, and a block of contact data at the end."""
    lines = [line for line in lines if not _DISCLAIMER.search(line)]
    first = next((at for at, line in enumerate(lines) if has_words(line)), len(lines))
    end = len(lines)
    while (start := _signature_start(lines, first, end)) is not None:
        end = start
    return lines[:end]


def _signature_start(lines: list[str], first: int, end: int) -> int | None:
    """The line at which the last signature of lines[:end] begins, or None; line `first` and those before it stay."""
    seen = characters = contacts = 0
    for at in range(end - 1, first, -1):
        line = lines[at]
        if _SIGN_OFF_LINE.match(line):
            return at
        if line.strip():
            seen, characters = seen + 1, characters + len(line)
            contacts += bool(_CONTACT_LINE.search(line))
        elif seen >= 2 and contacts:
            return at
        long = seen > SIGNATURE_LINES or characters > SIGNATURE_CHARACTERS or len(line) > LINE_CHARACTERS
        if long or _is_prose(line) or _POSTSCRIPT.match(line):
            return None
    return None


def _is_prose(line: str) -> bool:
    """Whether a line reads like a sentence rather than like a name, a title or an address."""
    words = line.split()
    if len(words) < 3 or _CONTACT_LINE.search(line):
        return False
    if words[-1].strip(".") != words[-1] and fold(words[-1].replace(".", "")) in LEGAL_FORMS:
        return False
    return line[0].islower() or (len(words) >= 4 and words[-1][-1] in ".!?")


def without_inline_signature(text: str) -> str:
    """Drop a sign-off after the last sentence of a text whose line breaks were lost: "... Kind regards, John"."""
    low = text.lower()
    if not any(sign in low for sign in _SIGN_OFF_STEMS):
        return text
    end = len(text)
    for found in reversed(list(_SIGN_OFF_INLINE.finditer(text))):
        if end - found.end() > LINE_CHARACTERS or "\n" in text[found.end() : end]:
            break
        end = found.start()
    return text[:end].rstrip()


def has_words(line: str) -> bool:
    """Whether a line holds a letter or digit."""
    return any(sign.isalnum() for sign in line)

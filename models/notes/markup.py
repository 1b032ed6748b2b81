"""HTML to text.

The standard library's parser is not used: on malformed input it takes quadratic time in the Python versions this
product supports (20,000 characters of "<a " cost 20 s), and a note is whatever somebody pasted. Here each expression
looks at most 2,000 characters ahead, and only known tags count, so "<j.doe@example.org>" and "churn < 5 %" survive.
"""

from __future__ import annotations

import html
import re

_BLOCKS = (
    "address|article|aside|blockquote|br|center|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|li"
    "|main|nav|ol|p|pre|section|table|tbody|td|tfoot|th|thead|title|tr|ul"
)
_INLINE = (
    "a|abbr|acronym|b|base|big|body|button|caption|cite|code|col|colgroup|del|dfn|em|font|head|html|i|iframe|img|input|ins"
    "|kbd|label|link|mark|meta|option|q|s|samp|script|select|small|span|strike|strong|style|sub|sup|svg|textarea|tt|u|var"
)
_TAG = re.compile(
    rf"</?(?:(?P<block>{_BLOCKS})|{_INLINE}|(?:o|v|w|m|st1):[a-z]{{1,20}})(?:[\s/][^<>]{{0,2000}})?>"
    r"|<(?:!doctype|!\[|\?xml)[^<>]{0,2000}>",
    re.IGNORECASE,
)
_UNSEEN = (("<!--", "-->"), ("<script", "</script>"), ("<style", "</style>"), ("<head>", "</head>"))
_ENTITY = re.compile(r"&(?:amp;)*(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
# An export may escape what was escaped already; deeper than this is no export.
_ESCAPES = 3


def without_markup(text: str) -> str:
    """A text without tags and with its entities resolved; a text without "<" and "&" is returned as it stands.

    Blocks (paragraphs, list items, table cells, line breaks) become line breaks. Applying it twice changes nothing.
    """
    for _ in range(_ESCAPES):
        plain = _once(text)
        if plain == text:
            return text
        text = plain
    return text if _once(text) == text else text.replace("<", " ").replace("&", " ")


def _once(text: str) -> str:
    if "<" in text:
        for start, end in _UNSEEN:
            text = _without_sections(text, start, end)
        text = _TAG.sub(lambda tag: "\n" if tag["block"] else "", text)
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(f"&{entity[1]};"), text)
    return text


def _without_sections(text: str, start: str, end: str) -> str:
    """Drop what stands between two signs, both included; what is never closed stays."""
    low = text.lower() if text.isascii() else re.sub("[A-Z]", lambda letter: letter[0].lower(), text)
    kept, at = [], 0
    while (begins := low.find(start, at)) >= 0 and (ends := low.find(end, begins)) >= 0:
        kept += [text[at:begins], " "]
        at = ends + len(end)
    return "".join([*kept, text[at:]])

"""Reads from a note when another call was asked for: "next year", "after Q3", "in 6 months", "budget cycle April".

English, German, French, Spanish and Italian, relative to the day on which the note was written. A period stands for its
first day, `after` a period for the day after its last, the end of a period for the first day of its last month. What
names no year means the next time that it comes. Quarters, halves and fiscal years are the company's own
(`fiscal_year_start`), and are named by the calendar year in which their fiscal year ends.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

MOST_YEARS = 5
"""Years ahead beyond which a number is not read as a year to call again in."""


@dataclass(frozen=True)
class NamedDate:
    """When another call was asked for.

    Attributes:
        day: The day.
        words: The words that say so, as they stand in the note.
    """

    day: date
    words: str


_MONTHS = (
    "january|januar|jaenner|janner|janvier|enero|gennaio|jan",
    "february|februar|fevrier|febrero|febbraio|feb",
    "march|marz|maerz|mars|marzo",
    "april|avril|abril|aprile|apr",
    "may|mai|mayo|maggio",
    "june|juni|juin|junio|giugno|jun",
    "july|juli|juillet|julio|luglio|jul",
    "august|aout|agosto|aug",
    "september|septembre|septiembre|settembre|sept|sep",
    "october|oktober|octobre|octubre|ottobre|oct|okt",
    "november|novembre|noviembre|nov",
    "december|dezember|decembre|diciembre|dicembre|dec|dez",
)
_UNSURE = {"may", "mars", "jan", "feb", "apr", "jun", "jul", "aug", "sep", "oct", "okt", "nov", "dec", "dez"}
"""Words that are months only after a word of time: `they may`, `dec` for decision."""
_SEASONS = {
    3: "spring|fruhjahr|fruhling|printemps|primavera",
    6: "summer|sommer|(?:l ?'|cet |en )ete|verano|estate",
    9: "autumn|herbst|automne|otono|autunno|rentree",
    12: "winter|hiver|invierno|inverno",
}
_NUMBERS = {
    1: "one|a|an|einem|einer|ein|un|une|uno|una", 2: "two|zwei|deux|dos|due", 3: "three|drei|trois|tres|tre",
    4: "four|vier|quatre|cuatro|quattro", 5: "five|funf|cinq|cinco|cinque", 6: "six|sechs|seis|sei",
    8: "eight|acht|huit|ocho|otto", 9: "nine|neun|neuf|nueve|nove", 10: "ten|zehn|dix|diez|dieci",
    12: "twelve|zwolf|douze|doce|dodici",
}  # fmt: skip
_UNITS = {
    "week": "weeks?|wks?|wochen?|semaines?|semanas?|settiman[ae]",
    "month": "months?|mths?|mos?|monat(?:en?|s)?|mois|mes(?:es)?|mes[ei]",
    "quarter": "quarters?|quartal(?:en?|s)?|trimestres?|trimestri",
    "year": "years?|yrs?|jahr(?:en?|es)?|ans?|annees?|anos?|ann[oi]",
}
_TIME_WORD = (r"(?:in|im|by|until|till|til|to|from|of|on|again|call|bis|ab|zum|fur|auf|en|au|a|de|d|des|para|hasta|"
              r"per|fino|entro|da|before|vor|avant|antes|prima|cycle|budget|next|this|kommenden|around|for|mid|early|late)")
_AFTER = r"(?:after|past|nach|apres|despues del?|tras(?: el)?|dopo(?: il)?|following)"
_END = r"(?:end of|ende|fin(?:ales)? del?|fin d|fine(?: di)?|a fine)"
_THE = r"(?:(?:the|dem|der|das|des|le|la|les|l|el|los|il|lo|d) ?'? ?)?"
_YEAR = r"(?:(?: ?,? ?(?:of |in |de |del |di |')?)?(?P<year>20\d\d))?"


def _alternatives(words: dict[int, str] | dict[str, str], name: str) -> str:
    return "|".join(f"(?P<{name}{key}>{pattern})" for key, pattern in words.items())


_NUMBER = rf"(?:(?P<n>\d{{1,2}})|{_alternatives(_NUMBERS, 'n')})"
_UNIT = f"(?:{_alternatives(_UNITS, 'unit_')})"


@dataclass(frozen=True)
class _Told:
    """What a pattern needs to work a date out: its match, the day of the note, and the company's year."""

    found: re.Match[str]
    written: date
    fiscal: int

    def named(self, name: str) -> str:
        """The first of the groups of that name which took part, without the name."""
        return next(key.removeprefix(name) for key, value in self.found.groupdict().items()
                    if value is not None and key.startswith(name) and key != name)  # fmt: skip

    @property
    def year(self) -> int | None:
        value = self.found.groupdict().get("year")
        return int(value) if value else None


def _span(told: _Told, start: date, months: int) -> date:
    """A period's first day, the day after it after `after`, or the first day of its last month after `end of`."""
    groups = told.found.groupdict()
    if groups.get("after"):
        return _moved(start, months)
    return _moved(start, months - 1) if groups.get("end") and months > 1 else start


def _moved(day: date, months: int) -> date:
    place = day.month - 1 + months
    year, month = day.year + place // 12, place % 12 + 1
    return date(year, month, min(day.day, 28))


def _next(told: _Told, month: int, months: int, year: int | None) -> date:
    """The period of so many months that begins in a month: of a year, or the next one whose day lies ahead."""
    start = date(year if year is not None else told.written.year - 1, month, 1)
    while year is None and _span(told, start, months) <= told.written:
        start = date(start.year + 1, month, 1)
    return _span(told, start, months)


def _part(told: _Told, number: int, months: int) -> date:
    """A quarter or a half of the company's year."""
    month = (told.fiscal - 1 + (number - 1) * months) % 12 + 1
    year = told.year
    if year is not None and told.fiscal > 1 and month >= told.fiscal:
        year -= 1  # the fiscal year is named by the calendar year in which it ends
    return _next(told, month, months, year)


def _quarter(told: _Told) -> date:
    return _part(told, int(told.named("q")), 3)


def _half(told: _Told) -> date:
    return _part(told, int(told.named("h")), 6)


def _month(told: _Told) -> date | None:
    word = told.found["month"]
    if word in _UNSURE and not told.found["lead"] and told.year is None:
        return None
    number = next(place for place, words in enumerate(_MONTHS, 1) if word in words.split("|"))
    return _next(told, number, 1, told.year)


def _season(told: _Told) -> date:
    return _next(told, int(told.named("season")), 3, told.year)


def _fiscal_start(told: _Told) -> date:
    start = date(told.written.year, told.fiscal, 1)
    return start if start > told.written else date(told.written.year + 1, told.fiscal, 1)


def _fiscal_year(told: _Told) -> date:
    year = 2000 + int(told.found["fy"]) if len(told.found["fy"]) == 2 else int(told.found["fy"])
    return date(year - (told.fiscal > 1), told.fiscal, 1)


def _ahead(told: _Told) -> date:
    n = int(told.found["n"]) if told.found["n"] else int(told.named("n"))
    unit = told.named("unit_")
    if unit == "week":
        return told.written + timedelta(weeks=n)
    return _moved(told.written, n * {"month": 1, "quarter": 3, "year": 12}[unit])


def _coming(told: _Told) -> date:
    unit, written = told.named("unit_"), told.written
    if unit == "week":
        return written + timedelta(days=7 - written.weekday())
    if unit == "month":
        return _moved(written.replace(day=1), 1)
    if unit == "quarter":
        into = (written.month - told.fiscal) % 3
        return _moved(written.replace(day=1), 3 - into)
    return date(written.year + 1, 1, 1)


def _year_end(told: _Told) -> date:
    return date(told.written.year + (told.written.month == 12), 12, 1)


def _bare_year(told: _Told) -> date:
    return _span(told, date(int(told.found["bare"]), 1, 1), 12)


def _exact(told: _Told) -> date:
    groups = told.found.groupdict()
    return date(int(groups["y"]), int(groups["m"]), int(groups.get("d") or 1))


_ORDINALS = {
    "1": r"first|1st|erste[nsr]?|1\.|1er|premier|primer|primo",
    "2": r"second|2nd|zweite[nsr]?|2\.|2eme|2e|deuxieme|segundo|2o|secondo",
    "3": r"third|3rd|dritte[nsr]?|3\.|3eme|3e|troisieme|tercer|3er|terzo",
    "4": r"fourth|4th|vierte[nsr]?|4\.|4eme|4e|quatrieme|cuarto|4o|quarto",
}
_QUARTERS = "|".join(
    f"(?P<q{k}>q{k}|{k}q|t{k}|(?:{words}) (?:quarter|quartal|trimestre))" for k, words in _ORDINALS.items()
)
_HALVES = "|".join(
    f"(?P<h{k}>h{k}|{k}h|s{k}|(?:{_ORDINALS[k]}) (?:half|halbjahr|semestre|semestr[ei]))" for k in ("1", "2")
)
_NEXT = r"(?:next|nachste[nrsm]?|kommende[nrsm]?|coming|prochaine?s?|proxim[oa]s?|prossim[oa])"
_FISCAL = (r"(?:fiscal year|financial year|fy|budget (?:year|cycle|round|planning)|geschaftsjahr|haushaltsjahr|"
           r"budgetjahr|budgetrunde|exercice|annee budgetaire|cycle budgetaire|ejercicio|ano fiscal|"
           r"presupuesto del proximo ano|esercizio|anno fiscale)")
_THIS_YEAR = r"(?:this (?:fiscal )?(?:year|yr|fy)|dieses jahr|in diesem jahr|cette annee|este ano|quest ?'? ?anno)"
_BUDGET = r"(?:budget|bdgt|funds?|funding|money|geld|mittel|credits?|presupuesto|fondos|fondi|soldi)"
_EXTENDED = (r"(?:extend(?:ed)?|renew(?:ed)?|prolonged|verlangert|prolonge|renouvele|prorrogado|renovado|prolungato|"
             r"rinnovato)")

_PATTERNS: list[tuple[str, Callable[[_Told], date | None]]] = [
    (r"(?P<y>20\d\d)-(?P<m>0[1-9]|1[0-2])-(?P<d>0[1-9]|[12]\d|3[01])", _exact),
    (r"(?P<d>0?[1-9]|[12]\d|3[01])\.(?P<m>0?[1-9]|1[0-2])\.(?P<y>20\d\d)", _exact),
    (r"(?P<m>0?[1-9]|1[0-2])[/.](?P<y>20\d\d)", _exact),
    (rf"(?:(?P<after>{_AFTER}) |(?P<end>{_END}) )?{_THE}(?:{_QUARTERS}){_YEAR}", _quarter),
    (rf"(?:(?P<after>{_AFTER}) |(?P<end>{_END}) )?{_THE}(?:{_HALVES}){_YEAR}", _half),
    (rf"(?:(?P<after>{_AFTER}) |(?P<lead>{_TIME_WORD}) )?{_THE}(?P<month>{'|'.join(_MONTHS)}){_YEAR}", _month),
    (r"fy ?'?(?P<fy>20\d\d|\d\d)", _fiscal_year),
    (rf"{_NEXT} {_FISCAL}|(?:new|neues?|nouvelle?|nuevo|nuovo) {_FISCAL}|{_FISCAL} (?:prochaine?|que viene|prossimo)",
     _fiscal_start),
    (rf"(?:(?P<after>{_AFTER}) |in |im |by |until |{_NEXT} |this |en |au |a |para |per |call |again |to )?"
     rf"{_THE}(?:{_alternatives(_SEASONS, 'season')}){_YEAR}", _season),
    (rf"(?:in|within|dans|d'ici|d'ici a|en|dentro de|tra|fra|innerhalb von) "
     rf"(?:about |etwa |ca\.? |environ |unos |circa )?{_NUMBER} ?-? ?{_UNIT}", _ahead),
    (rf"{_EXTENDED}\b.{{0,40}}?(?:by|for|um|de|por|di|per) (?:another )?{_NUMBER} ?{_UNIT}", _ahead),
    (rf"{_NEXT} {_UNIT}", _coming),
    (rf"{_UNIT} (?:prochaine?|que viene|proxim[oa]|prossim[oa])", _coming),
    (r"(?P<unit_year>folgejahr)", _coming),
    (rf"{_BUDGET}\b.{{0,30}}?{_THIS_YEAR}|{_THIS_YEAR}.{{0,15}}?\b{_BUDGET}", _fiscal_start),
    (r"(?:end of (?:the |this )?year|year ?-?end|eoy|jahresende|ende des jahres|fin d ?'? ?annee|fin de ano|fine anno)",
     _year_end),
    (rf"(?:(?P<after>{_AFTER}) )?(?P<bare>20\d\d)", _bare_year),
]  # fmt: skip


_PAST = re.compile(r"(?:since|last|seit|letzte[nrsm]?|depuis|desde|scorso|dernier) $")
"""What stands before a date that lies behind."""


@cache
def _compiled() -> list[tuple[re.Pattern[str], Callable[[_Told], date | None]]]:
    return [(re.compile(rf"(?<![\w/.-])(?:{pattern})(?![\w%]|[.,]\d)"), work) for pattern, work in _PATTERNS]


def fold(text: str) -> str:
    """Lower case without accents, character by character, so that places in it are places in the text."""
    return "".join((unicodedata.normalize("NFKD", letter.lower()) or letter)[0] for letter in text)


def named_date(text: str, written: date, fiscal_year_start: int = 1) -> NamedDate | None:
    """The day from which a note asks for another call; the first that it names and that lies ahead of the note.

    Args:
        text: The note.
        written: Day on which it was written.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.

    Returns:
        None where it names none.

    >>> named_date("Not now, come back after Q3.", date(2026, 5, 4))
    NamedDate(day=datetime.date(2026, 10, 1), words='after Q3')
    """
    folded = fold(text[:4000]).replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("\n", " ")
    hits: list[tuple[int, int, NamedDate]] = []
    taken = [False] * (len(folded) + 1)
    for pattern, work in _compiled():
        for found in pattern.finditer(folded):
            if any(taken[found.start() : found.end()]):
                continue
            if _PAST.search(folded[max(found.start() - 12, 0) : found.start()]):
                continue
            day = _worked_out(work, _Told(found, written, fiscal_year_start))
            if day is None:
                continue
            taken[found.start() : found.end()] = [True] * (found.end() - found.start())
            if written < day <= _moved(written, 12 * MOST_YEARS):
                words = " ".join(text[found.start() : found.end()].split())
                hits.append((found.start(), -found.end(), NamedDate(day, words)))
    return min(hits, key=lambda hit: hit[:2])[2] if hits else None


def _worked_out(work: Callable[[_Told], date | None], told: _Told) -> date | None:
    try:
        return work(told)
    except ValueError:  # the 31st of a shorter month
        return None

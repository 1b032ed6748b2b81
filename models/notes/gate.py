"""Notes that say nothing about why a deal ended, told before any model reads them.

Conservative: a note is refused only when every word of it is accounted for. "price" or "no budget" passes, and so does
what looks like an instruction to a machine, which is text like any other.
"""

from __future__ import annotations

import re

from models.notes.vocabulary import FIRST_NAMES, MASKS, MONTHS, WEEKDAYS, fold, word_set, words_of

_PLACEHOLDERS = frozenset(
    fold(line.strip())
    for line in """
n a|na|n/a|nil|null|none|nan|no|yes|ok|okay|k|done|x|xx|xxx|tbd|tbc|tba|test|tests|testing|test note|test test|todo
to do
asdf|asd|asdfg|asdfgh|asdfghjkl|sdf|dfg|qwe|qwer|qwert|qwerty|qwertz|azerty|hjkl|jkl|jklö|abc|abcd|aaa|bla|blah
blabla|foo
lorem ipsum|dummy|placeholder|unknown|not known|dont know|don't know|i don't know|no idea|idk|unsure|not sure|no reason
no reason given|no comment|no comments|comment|comments|note|notes|reason|loss reason|lost reason|reason for loss|other
others|misc|miscellaneous|various|see note|see notes|see above|see below|see email|see e mail|see mail|see attachment
see attached|as above|as discussed|same|same as above|ditto|see crm|see account|see description|lost|closed lost
deal lost
lost deal|closed|closed won|won|deal closed|deal is lost|opportunity lost|opp lost|lost opp|lost opportunity|we lost
we lost it|lost it|nothing|not applicable|not available|no info|no information|no details|no notes|no news|update
k a|ka|keine|keine angabe|keine angaben|kein kommentar|entfällt|entfallt|nicht bekannt|unbekannt|sonstiges|sonstige
siehe oben|s o|siehe unten|s u|siehe mail|siehe email|siehe e mail|s mail|siehe notiz|siehe notizen|siehe anhang|nichts
ohne|ohne angabe|verloren|leider verloren|auftrag verloren|deal verloren|geschlossen|abgeschlossen|weiß nicht
keine ahnung|grund|notiz|wie besprochen|erledigt|offen
sans objet|so|rien|rien à signaler|ras|r a s|aucun|aucune|néant|inconnu|inconnue|autre|autres|divers|non renseigné
non connu
perdu|perdue|affaire perdue|opportunité perdue|voir mail|voir email|voir note|voir notes|voir ci dessus|voir plus haut
voir pièce jointe|pas de commentaire|aucun commentaire|je ne sais pas|à voir|à compléter|à définir|clos|fermé|raison
no aplica|n d|nd|ninguno|ninguna|nada|otro|otra|otros|varios|desconocido|sin comentarios|sin comentario|sin datos
sin info
sin información|perdido|perdida|oportunidad perdida|venta perdida|cerrado|cerrada|ver correo|ver email|ver notas
ver arriba
ver adjunto|no sé|no se|no lo sé|por definir|pendiente|prueba|motivo|nota
nessuno|nessuna|niente|altro|vari|varie|sconosciuto|non noto|non so|non lo so|nessun commento|senza commenti|perso|persa
trattativa persa|opportunità persa|affare perso|chiuso|chiusa|vedi mail|vedi email|vedi note|vedi sopra|vedi allegato
da definire|da compilare|prova|nota|come sopra|idem
""".replace("\n", "|").split("|")
    if line.strip()
)

_NUMBER = re.compile(r"\d+(?:st|nd|rd|th|er|e|k|m|x|h)?", re.IGNORECASE)
_CURRENCY = word_set("eur euro euros usd dollar dollars chf gbp k m mio mn tsd teur keur")
_DATE_WORDS = WEEKDAYS | MONTHS | word_set("q1 q2 q3 q4 h1 h2 fy kw de del of")
_SALUTATIONS = word_set("""
hi hello hey dear hallo sehr geehrte geehrter bonjour hola ciao mr mrs ms miss dr herr herrn frau hr fr m mme mlle
monsieur
madame sr sra srta sig signor signora dott ing and und et y e
""")

# A task: one of these verbs, and besides only whom, what is sent, and when at the latest.
_CONTACT = word_set("""
call recall ring phone ping text email mail remind chase anrufen anruf zurückrufen rückruf kontaktieren anschreiben
nachfassen appeler rappeler relancer contacter llamar llama contactar escribir chiamare richiamare chiama contattare
sentire ricontattare
""")
_SEND = word_set("""
send resend prepare schedule book arrange follow followup update check set organise organize schicken senden zusenden
nachhaken vorbereiten vereinbaren klären envoyer renvoyer préparer planifier organiser fixer enviar mandar preparar
agendar
programar inviare mandare preparare fissare programmare
""")
_WHAT = word_set("""
quote proposal offer contract brochure deck slides email mail invoice agreement nda info information details docs
documents
meeting demo call appointment angebot vertrag unterlagen infos termin rechnung broschüre präsentation devis offre
contrat
documents documentation rdv rendez vous présentation mail oferta presupuesto contrato documentación reunión cita correo
preventivo offerta contratto documentazione appuntamento riunione
""")
_WHEN = (
    word_set("""
today tomorrow tonight asap now again back later morning afternoon next this week monday am pm noon eod eow
heute morgen übermorgen nochmal wieder nächste woche diese vormittag nachmittag mittag früh sofort
aujourd'hui demain matin midi après semaine prochaine cette encore
hoy mañana tarde semana próxima esta otra vez
oggi domani mattina pomeriggio settimana prossima questa
""")
    | WEEKDAYS
)
_FILL = word_set("""
to the a an him her them his and with on at in by for up out please need pls re must will i we
bitte den die das der dem mit am um an bei ihn ihm sie ihr und zu ein eine einen muss noch
le la les un une à au du de avec lui et pour svp il faut
el la los un una a al con le y para de hay que
il lo la l un una a al alla con gli le e per di da
""")
# "Call back in Q3" says that the deal was put off.
_FAR = MONTHS | word_set(
    "q1 q2 q3 q4 h1 h2 fy quarter month year quartal jahr monat mois année annee mes ano anno mese"
)
# A longer note says something.
_MOST_CHARACTERS, _MOST_WORDS = 200, 9
_TASK_WORDS = _WHAT | _WHEN | _FILL


def junk_reason(text: str) -> str | None:
    """Why a cleaned note says nothing.

    Returns:
        "empty", "only punctuation or emoji", "placeholder", "only a date or a number", "only a name" or "only a task";
        None when the note may say something.
    """
    text = text.strip()
    if not text:
        return "empty"
    if not any(sign.isalnum() for sign in text):
        return "only punctuation or emoji"
    if len(text) > _MOST_CHARACTERS:
        return None
    bare = text
    if "[" in text:
        for mask in MASKS:
            bare = bare.replace(mask, " ")
    words = words_of(bare)
    if len(words) > _MOST_WORDS:
        return None
    folded = [fold(word) for word in words]
    if " ".join(folded) in _PLACEHOLDERS or " ".join(folded).replace("'", "") in _PLACEHOLDERS or _is_mash(folded):
        return "placeholder"
    if all(_NUMBER.fullmatch(word) or word in _DATE_WORDS or word in _CURRENCY for word in folded):
        return "only a date or a number" if folded else "only a name"
    if all(word in _SALUTATIONS or word in FIRST_NAMES for word in folded):
        return "only a name"
    if _is_task(words, folded, bare != text):
        return "only a task"
    return None


def _is_mash(words: list[str]) -> bool:
    """One letter over and over ("aaaa", "xx xx"), or a single letter."""
    return len(set("".join(words))) == 1 and not words[0].isdigit() and not "".join(words).isdigit()


def _is_task(words: list[str], folded: list[str], masked: bool) -> bool:
    """Whether all words are those of something to do for somebody soon; a month or quarter named would be a reason."""
    if any(word in _FAR or re.fullmatch(r"(?:19|20)\d\d", word) for word in folded):
        return False
    contact = [word for word in folded if word in _CONTACT]
    send = [word for word in folded if word in _SEND]
    if not contact and not (send and (masked or any(word in _WHAT or word in _WHEN for word in folded))):
        return False
    if not ({folded[0], folded[-1]} | set(folded[:3])) & (_CONTACT | _SEND):
        return False
    left = [
        word
        for word, low in zip(words, folded, strict=True)
        if low not in _CONTACT and low not in _SEND and low not in _TASK_WORDS and not _NUMBER.fullmatch(low)
    ]
    named = [word for word in left if fold(word) in FIRST_NAMES or (word[0].isupper() and word != words[0])]
    # "call john" and "John anrufen": one word more is whom; two capitalised ones are a full name.
    return len(left) == len(named) <= 2 or (
        len(left) == 1 and bool(contact) and len(words) <= 3 and folded[0] in _CONTACT
    )

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.notes import Cleaner, clean, repeated_lines
from models.notes.cleaning import CUT, MAX_CHARACTERS, RAW_CHARACTERS, line_key

# Pieces that cleaning looks for, so that generated texts hold them more often than chance would.
PIECES = st.sampled_from([
    "Best regards", "Mit freundlichen Grüßen", "Cordialement,", "Un saludo", "Distinti saluti", "--", "> ", ">> ",
    "\n", "\n\n",
    "On Mon, 3 May 2026, Dana Whitfield wrote:", "Am 3.5. schrieb Uwe:", "-----Original Message-----", "From: a",
    "To: b",
    "Subject: c", "Von: a", "An: b", "Betreff: c", "De : a", "Objet : c", "<p>", "</p>", "<br/>", "<!--", "-->",
    "<script>", "&amp;",
    "&lt;", "lt;", "amp;", "#60;", "&#x1F600;", "<", "&", "Hi John,", "spoke to Dana", "Mr. Smith", "M. ",
    "Dana Whitfield", "j@d.com",
    "+49 711 1234567", "Tel: 0711 123456", "https://a.b/c?d=e", "www.", "price too high", "no budget", ". ", " ",
    "\u200b", "\u00a0",
    "\x00", "\u2028", "🙂", "é", "e\u0301", "ﬁ", "\uff1c", "\u0345", "PS: ", "DE89 3704 0044 0532 0130 00",
    "4111 1111 1111 1111", "[person]", "…",
])  # fmt: skip
NOTES = st.one_of(st.text(max_size=200), st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=25).map("".join))


@settings(max_examples=600)
@given(NOTES)
def test_cleaning_never_raises_and_what_is_clean_stays(text: str) -> None:
    once = clean(text).text
    assert clean(once).text == once
    assert once == once.strip()
    assert len(once) <= MAX_CHARACTERS
    assert all(sign == "\n" or sign.isprintable() for sign in once)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("<p>Price&nbsp;too <b>high</b></p><p>no SSO</p>", "Price too high\n\nno SSO"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<div>lost</div><style>p {color: red}</style><script>alert(1)</script><!-- x -->", "lost"),
        ("&amp;lt;b&amp;gt;too dear&amp;lt;/b&amp;gt;", "too dear"),
        ("R&D said no, churn < 5 %, <unknown> stays", "R&D said no, churn < 5 %, <unknown> stays"),
        ("pri\u200bce\x00 \x07too\u00a0high\r\nno\u2028budget", "price too high\nno\nbudget"),
        ("o\ufb03ce “closed” \u2018early\u2019", "office \"closed\" 'early'"),
        ("lost 🙂🙂 sadly", "lost 🙂🙂 sadly"),
        (
            "Too dear.\n\nOn Mon, 3 May 2026 at 10:11, Dana W <d@example.org> wrote:\n> Hello\n> please find\n",
            "Too dear.",
        ),
        ("Too dear.\n\nOn Mon, 3 May 2026 at 10:11, Dana Whitfield\n<d@example.org> wrote:\n> Hello", "Too dear."),
        ("Zu teuer.\nAm 3. Mai 2026 um 10:11 schrieb Uwe Kern <u@example.org>:\n> Hallo", "Zu teuer."),
        ("Trop cher.\nLe lun. 3 mai 2026 à 10:11, Anne <a@example.org> a écrit :\n> Bonjour", "Trop cher."),
        ("Muy caro.\nEl lun, 3 may 2026, Ana (a@example.org) escribió:\n> Hola", "Muy caro."),
        ("Troppo caro.\nIl giorno lun 3 mag 2026 Anna ha scritto:\n> Ciao", "Troppo caro."),
        ("No.\n-----Original Message-----\nFrom: me\nSent: today\nTo: you\nSubject: offer\n\nPlease sign", "No."),
        ("Nein.\n\nVon: ich\nGesendet: heute\nAn: Sie\nBetreff: Angebot\n\nBitte", "Nein."),
        ("Non.\n\nDe : moi\nEnvoyé : hier\nÀ : vous\nObjet : devis\n\nBonjour", "Non."),
        ("> 3 months silent\n> no budget", "3 months silent\nno budget"),
        ("Customer says:\n> too dear", "Customer says:\ntoo dear"),
        ("Lost.\n> one\n> two\n> three", "Lost."),
        ("Fwd:\n-----Original Message-----\nFrom: a\nTo: b\nSubject: c\n\nx", "Fwd:"),
        (
            "From: a\nTo: b\nSubject: offer\n\nWe chose another.\n\nFrom: b\nTo: a\nSubject: offer\n\nour bid",
            "We chose another.",
        ),
        ("We chose another.\n\nBest regards,\nDana Whitfield\nHead of Purchasing", "We chose another."),
        ("Nein danke.\nMit freundlichen Grüßen\nUwe Kern", "Nein danke."),
        ("Non merci.\n\nBien cordialement,\nAnne", "Non merci."),
        ("No, gracias.\nUn saludo,\nAna", "No, gracias."),
        ("No grazie.\nCordiali saluti\nAnna Verdi", "No grazie."),
        ("No thanks from them\n-- \nJo\nSales | Foo Inc.", "No thanks from them"),
        ("Not now. Kind regards, Dana Whitfield", "Not now."),
        ("Went elsewhere\n\nJo Doe\nSales Manager | Foo Inc.\nTel: +1 555 123 4567", "Went elsewhere"),
        ("Nope\n\nSent from my iPhone", "Nope"),
        ("Lost.\nThis email is intended solely for the addressee.", "Lost."),
        ("called twice\nthanks, but they chose another", "called twice\nthanks, but they chose another"),
        (
            "Regards to all\nwent with the cheaper one in the end",
            "Regards to all\nwent with the cheaper one in the end",
        ),
        ("Bye.\nBest regards\nDana\nPS: the price was it", "Bye.\nBest regards\nDana\nPS: the price was it"),
        ("Best regards", "Best regards"),
        ("", ""),
    ],
)
def test_what_is_left(raw: str, cleaned: str) -> None:
    assert clean(raw).text == cleaned


def test_masks_are_told() -> None:
    made = clean("Hi John,\nmail j.d@example.org or call +49 711 1234567")
    assert made.text == "Hi [person],\nmail [email] or call [phone]"
    assert made.masked == ("email", "phone", "person")


@pytest.mark.parametrize(
    "unit", ["word ", "<a ", "<!--", "&amp;", "> x\n", "Hi Aa", "a@b.", "1 ", "Best regards\n", "\n"]
)
def test_a_huge_note_is_bounded(unit: str) -> None:
    assert len(clean(unit * (3 * RAW_CHARACTERS // len(unit))).text) <= MAX_CHARACTERS


def test_of_a_huge_note_head_and_tail_are_kept() -> None:
    made = clean("the budget was cut " + "x" * 50_000 + " and they chose another")
    assert made.text.startswith("the budget was cut")
    assert made.text.endswith("and they chose another")
    assert CUT in made.text


def test_repeated_lines_are_those_of_templates_not_what_people_say() -> None:
    template = "Reason for loss (please be specific):\n{}\nNext steps:\n"
    notes = [template.format(f"reason {n} of its own, not like others: {n * 'x'}") for n in range(40)] + [
        "Lost on price to a rival"
    ] * 60
    notes += ["Lost on price to a rival\nmore"] * 30
    found = repeated_lines(notes, at_least=20)
    assert found == {line_key("Reason for loss (please be specific):"), line_key("NEXT STEPS")}
    assert Cleaner(templates=found)(template.format("too dear")).text == "too dear"
    assert repeated_lines(notes, at_least=41) == frozenset()


def test_cleaner_masks_known_people_but_never_rivals() -> None:
    cleaner = Cleaner(names=["Dana Whitfield", "Ann Price"], keep=["Whitfield Systems"])
    assert (
        cleaner("dana whitfield left, Whitfield said Price too high").text
        == "[person] left, [person] said Price too high"
    )
    assert cleaner("they chose Whitfield Systems").text == "they chose Whitfield Systems"

"""Commands that learn from people: review-notes and themes."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from crm.errors import AnswerError
from crm.tables import CrmData
from models.errors import NoChampionError
from wonlost.cli.console import (
    SIMULATED,
    StoreOption,
    UsageError,
    err,
    load,
    load_reasons,
    open_store,
    out,
    settings,
    table,
    taxonomy_of,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crm.notes import Note, NoteKey
    from crm.store import Store
    from insights.worklist import Review
    from models.reasons import ReasonModel
    from models.taxonomy import Taxonomy
    from wonlost.settings import Settings

KindOption = Annotated[str, typer.Option("--kind", metavar="loss|win", help="Notes on lost deals, or on won ones.")]
HELP = "a number or an id, several with commas, the main one first; ? lists all reasons, s skips, q ends"


def review_notes(
    kind: KindOption = "loss",
    n: Annotated[int, typer.Option("--n", min=1, max=1000, help="How many notes.")] = 20,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers; by default the login name.")] = "",
    store: StoreOption = "",
) -> None:
    """Ask about the notes that are worth a person's minute, for the next training to learn from.

    Each answer is stored at once; answers can also be piped in, one line for each note. Nothing is overwritten: an
    earlier answer stays in the history.
    """
    from crm.labels import labels
    from crm.notes import closed_notes
    from insights.worklist import review_list

    who = by.strip() or _login()
    chosen = settings(store)
    taxonomy = _taxonomy(chosen, kind)
    with open_store(chosen) as opened:
        crm = opened.load()
        notes = [note for note in closed_notes(crm) if note.key.kind == kind]
        answers = labels(opened, kind, renaming=taxonomy.current_id)
        model, suspects = _model(chosen, kind, notes)
        reviews = review_list(notes, answers, taxonomy, n, model, suspects)
        _tell_simulated(crm)
        if not reviews:
            out.print(f"no {kind} note is worth a look: there are {len(notes):,}, {len(answers):,} of them answered")
            return
        stored = _ask_all(opened, reviews, taxonomy, who)
    out.print(f"{stored:,} answers stored; `wonlost train` learns from them" if stored else "no answers stored")


def themes(
    kind: KindOption = "loss",
    least: Annotated[int, typer.Option("--least", min=2, help="Fewest notes of a theme.")] = 8,
    store: StoreOption = "",
) -> None:
    """Show groups of similar notes among those that fit no reason well, so that a new reason can be spotted."""
    from crm.notes import closed_notes
    from insights.themes import themes_of

    chosen = settings(store)
    _taxonomy(chosen, kind)  # says so where there is no such kind
    crm = load(chosen)
    model, _ = load_reasons(chosen, kind)
    found = themes_of(model, [note.text for note in closed_notes(crm) if note.key.kind == kind], least)
    _tell_simulated(crm)
    out.print(f"{found.n_unfitting:,} of {found.n_notes:,} {kind} notes fit no reason well")
    if not found.themes:
        out.print(f"no theme: no {least} of them are alike")
        return
    rows = [[f"{theme.n_notes:,}", ", ".join(theme.words), escape(theme.examples[0].replace("\n", " "))]
            for theme in found.themes]  # fmt: skip
    out.print(table("", ["notes", "typical words", "for example"], rows, right=9))


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        raise UsageError("say who answers: --by NAME") from None


def _taxonomy(chosen: Settings, kind: str) -> Taxonomy:
    if kind not in ("loss", "win"):
        raise UsageError(f"--kind {kind!r} is neither loss nor win")
    return taxonomy_of(chosen, kind)


def _model(
    chosen: Settings, kind: str, notes: Sequence[Note]
) -> tuple[ReasonModel | None, dict[NoteKey, str] | None]:
    """The champion, and the notes whose answer its training doubted; None and None where there is no champion."""
    from insights.worklist import suspected

    try:
        model, version = load_reasons(chosen, kind)
    except NoChampionError as error:
        err.print(f"note: {error}; the notes are spread over all that people write", markup=False)
        return None, None
    return model, suspected(version.metrics, notes)


def _tell_simulated(crm: CrmData) -> None:
    if crm.process.simulated:
        err.print(f"note: notes of {SIMULATED}", markup=False)


def _ask_all(store: Store, reviews: Sequence[Review], taxonomy: Taxonomy, who: str) -> int:
    """Ask about each note until there are no more answers; how many were stored."""
    stored = 0
    out.print(f"{len(reviews):,} notes for {who}: {HELP}", markup=False)
    for number, review in enumerate(reviews, 1):
        _show(review, taxonomy, f"{number} of {len(reviews)}")
        told = _ask(store, review, taxonomy, who)
        if told is None:
            break
        stored += told
    return stored


def _show(review: Review, taxonomy: Taxonomy, place: str) -> None:
    out.print(f"\n{place}, deal {review.note.opportunity_id}: {review.words}", markup=False)
    out.print("\n".join(f"  | {line}" for line in review.text.split("\n")), markup=False)
    if review.evidence:
        told_by = ", ".join(f'"{evidence.text}"' for evidence in review.evidence)
        out.print(f"  told by: {told_by}", markup=False)
    if review.picklist:
        out.print(f"  picked in the CRM: {review.picklist}", markup=False)
    if review.label is not None:
        out.print(f"  answered by {review.label.by}: {', '.join(review.label.reasons)}", markup=False)
    for number, guess in enumerate(review.guesses, 1):
        name = taxonomy.reason(guess.reason).name
        out.print(f"  {number}  {guess.reason} ({name}), {100 * guess.probability:.0f} %", markup=False)


def _ask(store: Store, review: Review, taxonomy: Taxonomy, who: str) -> int | None:
    """1 where an answer was stored, 0 where the note was skipped, None where there are no more answers."""
    from insights.worklist import answer

    while True:
        line = _line()
        if line is None or line.lower() in ("q", "quit"):
            return None
        if line.lower() in ("", "s", "skip"):
            return 0
        if line == "?":
            for reason in taxonomy.reasons:
                out.print(f"  {reason.id}: {reason.definition}", markup=False)
            continue
        try:
            answer(store, review.note, _reasons(line, review), taxonomy, by=who)
        except AnswerError as error:
            out.print(f"  {error}; {HELP}", markup=False)
            continue
        return 1


def _line() -> str | None:
    """What somebody typed or piped in; None at the end."""
    if sys.stdin.isatty():
        out.print("reason> ", end="", markup=False)
    line = sys.stdin.readline()
    return line.strip() if line else None


def _reasons(line: str, review: Review) -> list[str]:
    """Ids of the reasons that were named by number or id."""
    named = [part.strip() for part in line.split(",") if part.strip()]
    numbers = {str(number): guess.reason for number, guess in enumerate(review.guesses, 1)}
    return [numbers.get(part, part) for part in named]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("review-notes")(review_notes)
    app.command("themes")(themes)

"""The training run of a model of reasons: the notes of an import, what people said of them, a fit, and the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crm.labels import Label
from crm.notes import Note, NoteKey, closed_notes
from crm.tables import NAT, Coded, CrmData
from models.notes import repeated_lines
from models.reasons import Recipe, SentenceEncoder
from models.taxonomy import Taxonomy
from training.gate import Refused
from training.reasons.fit import FitSettings, Fitted, fit_reasons
from training.reasons.gate import Champion, Verdict, judge
from training.reasons.learning import Point, learning_curve

MOST_FOR_TEMPLATES = 20_000
"""Notes in which pasted templates are looked for."""
MOST_UNANSWERED = 2_000
"""Unanswered notes, drawn at random, that answered ones are weighed to look like."""
SEED = 0


@dataclass(frozen=True)
class TrainedReasons:
    """What a run found.

    Attributes:
        kind: `loss` or `win`.
        fitted: The model and its figures.
        answered: The notes with an answer, in the order of the report's rows.
        n_notes: All notes of the kind that were known.
        cut: Microseconds: notes written later were not looked at.
        verdict: What the gate says.
        learning: How well fits on a part of the answers did.
        picked: Share of answered notes whose picklist value, where it names a reason, is the answer; and how many have
            one. None where no answered note has a pick that names a reason.
        simulated: Whether the notes come from the simulator.
    """

    kind: str
    fitted: Fitted
    answered: list[Note]
    n_notes: int
    cut: int
    verdict: Verdict
    learning: tuple[Point, ...]
    picked: tuple[float, int] | None
    simulated: bool


def train_reasons(
    crm: CrmData, answers: Mapping[NoteKey, Label], taxonomy: Taxonomy, cut: int, *,
    encoder: SentenceEncoder | None = None, champion: Champion | None = None, wanted: float = 0.85,
) -> TrainedReasons:  # fmt: skip
    """Fit a model of reasons on the notes that were known before a cut. Nothing is stored or registered.

    Args:
        crm: The store's tables.
        answers: What people said of notes, under the taxonomy's present ids.
        taxonomy: The reasons; its kind says which notes are meant.
        cut: Microseconds.
        encoder: Sentence encoder, to use the extra `multilingual`.
        champion: The version that serves.
        wanted: Accuracy that sure readings are to have.

    Raises:
        Refused: There are no notes of the kind.
        LabelError: An answer is no reason of the taxonomy.
    """
    notes = known_notes(crm, taxonomy.kind, cut)
    if not notes:
        raise Refused(f"no {taxonomy.kind} notes: nothing to read")
    answered = [note for note in notes if note.key in answers]
    labels = [answers[note.key].reasons for note in answered]
    texts, names, templates = [note.text for note in answered], rivals(crm), templates_of(notes)
    unanswered = [note.text for note in notes if note.key not in answers]
    drawn = np.random.default_rng(SEED).permutation(len(unanswered))[:MOST_UNANSWERED]
    beside = [unanswered[row] for row in np.sort(drawn)]

    def fit(
        recipe: Recipe | None, rows: Sequence[int] = range(len(answered)), beside: Sequence[str] = beside
    ) -> Fitted:  # fmt: skip
        return fit_reasons(
            [texts[row] for row in rows], [labels[row] for row in rows], taxonomy, encoder=encoder, rivals=names,
            templates=templates, unanswered=beside, settings=FitSettings(wanted=wanted, recipe=recipe, seed=SEED),
        )  # fmt: skip

    fitted = fit(None)
    refitted = None if champion is None or champion.recipe is None else fit(champion.recipe).report
    deals = np.unique([note.key.opportunity_id for note in answered], return_inverse=True)[1].astype(np.int64)
    verdict = judge(fitted.report, deals, champion, refitted)
    learning = learning_curve(fitted.report, lambda rows: fit(fitted.report.recipe, rows.tolist(), ()).report, SEED)
    return TrainedReasons(taxonomy.kind, fitted, answered, len(notes), cut, verdict, learning,
                          _picked(answered, labels, taxonomy), crm.process.simulated)  # fmt: skip


def known_notes(crm: CrmData, kind: str, cut: int) -> list[Note]:
    """Notes of a kind that were written before a cut; one without a time counts as known."""
    return [note for note in closed_notes(crm) if note.key.kind == kind and (note.written_at < cut or _undated(note))]


def _undated(note: Note) -> bool:
    return note.written_at == NAT


def rivals(crm: CrmData) -> tuple[str, ...]:
    """Competitors that the CRM names."""
    column = crm.tables["opportunities"].get("competitor")
    return tuple(sorted(column.levels)) if isinstance(column, Coded) else ()


def templates_of(notes: Sequence[Note]) -> tuple[str, ...]:
    """Lines that stand in so many notes that nobody wrote them for one."""
    step = -(-len(notes) // MOST_FOR_TEMPLATES)
    return tuple(sorted(repeated_lines([note.text for note in notes[:: max(step, 1)]])))


def _picked(notes: Sequence[Note], labels: Sequence[Sequence[str]], taxonomy: Taxonomy) -> tuple[float, int] | None:
    pairs = [(taxonomy.of_picklist(note.picklist), label[0]) for note, label in zip(notes, labels, strict=True)]
    named = [(pick, label) for pick, label in pairs if pick is not None]
    return (float(np.mean([pick == label for pick, label in named])), len(named)) if named else None

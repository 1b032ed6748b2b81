"""Why deals were lost and won: the models of reasons that serve, and what is answered with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from crm.errors import AnswerError
from crm.labels import Label, history, labels
from crm.notes import Note, NoteKey
from crm.store import Store
from crm.tables import NAT, moment
from insights.postmortem import StatedReason, told_why
from insights.reasons import Classify, answers
from insights.reengagement.reasons import Reader
from insights.settled import settle
from insights.themes import themes_of
from insights.worklist import answer, review_list, suspected
from models.bundle import load_bundle
from models.errors import NoChampionError, RegistryUnavailableError
from models.reasons import ReasonModel
from models.registry import REASONS, Model, Registry
from models.taxonomy import Taxonomy, default_taxonomy
from serving.answers import Detail
from serving.company import CompanyData, Recent
from serving.errors import InvalidRequestError, NoReasonModelError, UnknownNoteError
from serving.reason_answers import (
    DealReason,
    EvidenceAnswer,
    FurtherReason,
    GivenAnswer,
    Kind,
    NoteAnswers,
    NoteReading,
    ReviewAnswer,
    ReviewsAnswer,
    ThemeAnswer,
    ThemesAnswer,
)
from serving.watching import Failures, ModelWatch

KINDS: dict[str, Kind] = {"lost": "loss", "won": "win"}


class Reasons:
    """The models of reasons of both kinds, watched like the win model, and the answers that need them.

    Args:
        store_url: The store, for people's answers.
        registry: The registry of the win model; those of reasons are beside it.
        failures: Where failures are counted.
        refresh_seconds: Seconds between looks.
        taxonomies: The reasons in use, by kind; the built-in ones by default.
    """

    def __init__(
        self, store_url: str, registry: Registry, failures: Failures, refresh_seconds: float,
        taxonomies: Mapping[str, Taxonomy] | None = None,
    ) -> None:  # fmt: skip
        self.store_url = store_url
        self.taxonomies = {kind: default_taxonomy(kind) for kind in REASONS} | dict(taxonomies or {})
        place = registry.tracking_uri, registry.cache
        self.registries = {kind: Registry(*place, name) for kind, name in REASONS.items()}
        self._models: dict[str, Model[ReasonModel] | None] = dict.fromkeys(REASONS)
        self._watches = {
            kind: ModelWatch(found, self._loader(kind), self._putter(kind), failures, refresh_seconds)
            for kind, found in self.registries.items()
        }
        self._themes: Recent[tuple[str, int, int, int], ThemesAnswer] = Recent(4)

    def _loader(self, kind: str) -> Callable[[Path, str], ReasonModel]:
        def load(folder: Path, digest: str) -> ReasonModel:
            model = load_bundle(folder, digest, kind=ReasonModel)
            model.check_taxonomy(self.taxonomies[kind])
            model.classify(["no budget until next year"])  # all that is slow the first time
            return model

        return load

    def _putter(self, kind: str) -> Callable[[Model[ReasonModel] | None], None]:
        def put(model: Model[ReasonModel] | None) -> None:
            self._models[kind] = model

        return put

    def look(self) -> None:
        """Look once for the champions."""
        for watch in self._watches.values():
            watch.look()

    def give_up_waiting(self) -> None:
        """Serve the last good local copies."""
        for watch in self._watches.values():
            watch.give_up_waiting()

    def problems(self) -> list[str]:
        """What is wrong with the models that ought to serve."""
        return [f"{REASONS[kind]}: {watch.problem}" for kind, watch in self._watches.items() if watch.problem]

    def model(self, kind: Kind) -> Model[ReasonModel]:
        """The champion of a kind.

        Raises:
            NoReasonModelError: None has been promoted, or it cannot serve.
        """
        found = self._models[kind]
        if found is None:
            problem = self._watches[kind].problem
            raise NoReasonModelError(problem or f"no version of {REASONS[kind]} has been promoted yet: wonlost train")
        return found

    # -- readings ------------------------------------------------------------------------------------------------------

    def read(self, kind: Kind, texts: Sequence[str]) -> list[NoteReading]:
        """Readings of notes that are sent, in their order."""
        model = self.model(kind)
        return [NoteReading.of(item, model.loaded.taxonomy, model.version) for item in model.loaded.classify(texts)]

    def readers(self) -> dict[str, Classify]:
        """What reads notes, by kind, where there is a champion."""
        return {kind: model.loaded.classify for kind, model in self._models.items() if model is not None}

    def why(self, data: CompanyData) -> Callable[[str, str], StatedReason | None]:
        """What tells a post-mortem why a deal ended as it did."""
        with closing(Store.open(self.store_url)) as store:
            answered = answers(store, self.taxonomies)
        return told_why(data.crm, self.taxonomies, answered, self.readers())

    def versions(self) -> tuple[int | None, ...]:
        """Versions of the champions, in the order of the kinds; None where there is none."""
        return tuple(None if model is None else model.version for model in self._models.values())

    def of_deal(self, data: CompanyData, deal_id: str, status: str, as_of: int) -> DealReason | None:
        """The reason of a deal that had closed; None for one that was open."""
        kind = KINDS.get(status)
        if kind is None:
            return None
        taxonomy, model = self.taxonomies[kind], self._models[kind]
        written = [note for note in data.notes.get(deal_id, ())
                   if note.key.kind == kind and (note.written_at < as_of or note.written_at == NAT)]  # fmt: skip
        note = written[-1] if written else None
        read = None if note is None or model is None else model.loaded.classify([note.text])[0]
        label = None if note is None else self._newest(note.key, taxonomy)
        picked = data.picked(deal_id, kind)
        meant = taxonomy.of_picklist(picked) if picked else None
        counts = settle(label, read, meant)
        said = counts.source in ("person", "note")
        return DealReason(
            kind=kind, reason=counts.reason, source=counts.source,
            reading=None if read is None or model is None else NoteReading.of(read, taxonomy, model.version),
            answered=None if label is None else given(label), picklist=picked or None, picklist_reason=meant,
            disagrees=counts.reason != meant if said and meant is not None else None,
        )  # fmt: skip

    def loss_reader(self, store: Store) -> Reader:
        """What notes on lost deals say, with the answers that the store holds now."""
        answers = labels(store, "loss", renaming=self.taxonomies["loss"].current_id)
        model = self._models["loss"]
        return Reader(None, answers) if model is None else Reader(model.loaded.classify, answers, model.digest)

    def _newest(self, key: NoteKey, taxonomy: Taxonomy) -> Label | None:
        with closing(Store.open(self.store_url)) as store:
            return labels(store, key.kind, renaming=taxonomy.current_id).get(key) if history(store, key) else None

    # -- reviews -------------------------------------------------------------------------------------------------------

    def reviews(self, data: CompanyData, kind: Kind, limit: int) -> ReviewsAnswer:
        """The notes to look at next."""
        taxonomy, model = self.taxonomies[kind], self._models[kind]
        notes = _notes_of(data, kind)
        with closing(Store.open(self.store_url)) as store:
            answers = labels(store, kind, renaming=taxonomy.current_id)
        suspects = None if model is None else self._suspects(kind, model.version, notes)
        found = review_list(notes, answers, taxonomy, limit, None if model is None else model.loaded, suspects)
        return ReviewsAnswer(
            kind=kind, notes=len(notes), answered=sum(note.key in answers for note in notes), simulated=data.simulated,
            reasons=list(taxonomy.ids), reviews=[ReviewAnswer(
                id=item.note.id, opportunity_id=item.note.opportunity_id, text=item.text, why=item.why,
                words=item.words, picklist=item.picklist or None, picklist_reason=item.picklist_reason,
                guesses=[FurtherReason(reason=guess.reason, probability=guess.probability) for guess in item.guesses],
                evidence=[EvidenceAnswer(start=part.start, end=part.end, text=part.text, weight=part.weight)
                          for part in item.evidence],
                answered=None if item.label is None else given(item.label),
            ) for item in found],
        )  # fmt: skip

    def _suspects(self, kind: Kind, version: int, notes: Sequence[Note]) -> dict[NoteKey, str] | None:
        """Answers that the training of the version doubted; None while its figures cannot be had."""
        try:
            self.registries[kind].ping()
            return suspected(self.registries[kind].version(version).metrics, notes)
        except (RegistryUnavailableError, NoChampionError):
            return None

    def store_answer(self, data: CompanyData, note_id: str, reasons: Sequence[str], by: str, now: int) -> NoteAnswers:
        """Keep a person's answer beside those that the note has.

        Raises:
            UnknownNoteError: There is no such note.
            InvalidRequestError: A reason is not in the taxonomy.
        """
        key = _key(data, note_id)
        with closing(Store.open(self.store_url)) as store:
            try:
                answer(store, key, reasons, self.taxonomies[key.kind], by=by, at=now)
            except AnswerError as error:
                raise InvalidRequestError(f"reasons: {error}", [Detail(where="reasons", message=str(error))]) from None
            return NoteAnswers(id=note_id, answers=[given(label) for label in history(store, key)])

    def answers(self, data: CompanyData, note_id: str) -> NoteAnswers:
        """All answers to a note.

        Raises:
            UnknownNoteError: There is no such note.
        """
        key = _key(data, note_id)
        with closing(Store.open(self.store_url)) as store:
            return NoteAnswers(id=note_id, answers=[given(label) for label in history(store, key)])

    # -- themes --------------------------------------------------------------------------------------------------------

    def themes(self, data: CompanyData, kind: Kind, least: int) -> ThemesAnswer:
        """Groups of similar notes among those that fit no reason well; worked out once for an import and a version."""
        model = self.model(kind)
        return self._themes.get((kind, data.import_id, model.version, least),
                                lambda: self._find_themes(data, kind, model.loaded, least))  # fmt: skip

    @staticmethod
    def _find_themes(data: CompanyData, kind: Kind, model: ReasonModel, least: int) -> ThemesAnswer:
        notes = _notes_of(data, kind)
        found = themes_of(model, [note.text for note in notes], least)
        return ThemesAnswer(
            kind=kind, notes=found.n_notes, unfitting=found.n_unfitting, simulated=data.simulated,
            themes=[ThemeAnswer(
                notes=theme.n_notes, words=list(theme.words), examples=list(theme.examples),
                opportunity_ids=[notes[row].key.opportunity_id for row in theme.rows],
            ) for theme in found.themes],
        )  # fmt: skip


def given(label: Label) -> GivenAnswer:
    """A person's answer, to show."""
    return GivenAnswer(reasons=list(label.reasons), by=label.by, at=moment(label.at), source=label.source)


def _notes_of(data: CompanyData, kind: Kind) -> list[Note]:
    return [note for notes in data.notes.values() for note in notes if note.key.kind == kind]


def _key(data: CompanyData, note_id: str) -> NoteKey:
    for notes in data.notes.values():
        for note in notes:
            if note.key.id == note_id:
                return note.key
    raise UnknownNoteError(f"{note_id[:100]!r}: there is no such note on a closed deal")

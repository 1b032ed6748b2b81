"""The model of reasons: reads notes and says why, how sure it is, and which words told it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from crm.tables import FloatArray
from models.errors import TaxonomyMismatch
from models.notes import Cleaner, RivalFinder, junk_reason, language_of
from models.reasons.batch import Batch
from models.reasons.classifier import Classifier
from models.reasons.evidence import shown
from models.reasons.reading import Reading, Status
from models.reasons.sentences import SentenceEncoder
from models.taxonomy import Taxonomy, parse_taxonomy, to_toml

BATCH = 256
"""Notes read at once, which bounds memory."""

LANGUAGE_ROWS = 20
"""Training rows in a language from which notes in it can be read without sentence vectors."""


@dataclass(frozen=True)
class Thresholds:
    """From which probability on a reading has which status.

    Attributes:
        sure: Least probability of a `sure` reading; above 1 where no accuracy could be shown.
        unclear: Below this a reading is `unclear`: the guess is more often wrong than right.
        further: Least probability, within its part of the note, of a further reason.
        beside: Least probability, in the note as a whole, of a further reason.
        wanted: Accuracy that was asked of `sure` readings.
        stated: Accuracy of `sure` readings on labelled notes that the model had not learnt from; None: none were.
        coverage: Share of those notes that were `sure`.
    """

    sure: float = 1.01
    unclear: float = 0.4
    further: float = 0.5
    beside: float = 0.25
    wanted: float = 0.85
    stated: float | None = None
    coverage: float = 0.0


@dataclass(frozen=True)
class ReasonModel:
    """A fitted model of reasons.

    Attributes:
        taxonomy: The reasons it tells apart.
        classifier: Gives their probabilities.
        thresholds: When it is sure.
        languages: Rows that it learnt from, by language.
        n_labels: Labelled notes among them; the rest came from the taxonomy.
        rivals: Names of known competitors; one that a sentence says was chosen is found without.
        templates: Lines of pasted templates to leave out (`models.notes.repeated_lines`).
    """

    taxonomy: Taxonomy
    classifier: Classifier
    thresholds: Thresholds = Thresholds()
    languages: dict[str, int] = field(default_factory=dict)
    n_labels: int = 0
    rivals: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()

    @cached_property
    def _cleaner(self) -> Cleaner:
        return Cleaner(keep=self.rivals, templates=self.templates)

    @cached_property
    def _finder(self) -> RivalFinder:
        return RivalFinder(self.rivals)

    def clean(self, texts: Sequence[str]) -> list[str]:
        """Notes as the model reads them: without what is not the seller's own, personal data masked."""
        return [self._cleaner(text).text for text in texts]

    def probabilities(self, texts: Sequence[str], *, cleaned: bool = False) -> FloatArray:
        """Probability of each reason of the taxonomy, shape (n_texts, n_reasons).

        Args:
            texts: Notes.
            cleaned: Whether `clean` was applied to them before.
        """
        parts = [self.classifier.probabilities(batch if cleaned else self.clean(batch)) for batch in _batches(texts)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.taxonomy.ids)))

    def classify(self, texts: Sequence[str]) -> list[Reading]:
        """Read notes; one reading for each, in order. Raises on no text."""
        return list(self.read(texts))

    def read(self, texts: Sequence[str]) -> Iterator[Reading]:
        """The readings of `classify` one by one, worked out `BATCH` notes at a time."""
        for batch in _batches(texts):
            yield from self._read(self.clean(batch))

    def with_names(self, rivals: Collection[str]) -> ReasonModel:
        """The same model with other known competitors."""
        return replace(self, rivals=tuple(rivals))

    def with_cache(self, encoder: SentenceEncoder) -> ReasonModel:
        """The same model with an encoder that keeps its vectors elsewhere; itself where it uses none."""
        if self.classifier.encoder is None:
            return self
        return replace(self, classifier=replace(self.classifier, encoder=encoder))

    def check_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Refuse to be used with another taxonomy.

        Raises:
            TaxonomyMismatch: It was fitted on another one; names both digests.
        """
        if taxonomy.digest != self.taxonomy.digest:
            told = f"taxonomy {self.taxonomy.digest} ({self.taxonomy.name}), not on {taxonomy.digest} ({taxonomy.name})"
            raise TaxonomyMismatch(f"the model of reasons was fitted on {told}; fit it again")

    def _read(self, texts: list[str]) -> list[Reading]:
        batch = Batch.of(texts, self.classifier)
        further = self._further(batch)
        vocabulary = self.classifier.vocabulary
        evidence = shown(texts, batch.tokens, vocabulary.is_word(batch.tokens), batch.added)
        familiar = vocabulary.familiar(batch.tokens).tolist()
        probability = np.exp(batch.log_p.max(axis=1, initial=-np.inf)).tolist()
        readings = []
        for row, text in enumerate(texts):
            language = language_of(text)
            id = self.taxonomy.ids[batch.best[row]]
            status, note = self._status(text, id, probability[row], language, familiar[row])
            rivals = self._finder(text)
            readings.append(Reading(
                id, probability[row], status, further[row], tuple(evidence[row]),
                rivals[0].name if rivals else None, language, note, text,
            ))  # fmt: skip
        return readings

    def _status(self, text: str, id: str, probability: float, language: str, familiar: bool) -> tuple[Status, str]:
        """The status of a reading, and why where its probability does not tell."""
        junk = junk_reason(text)
        if junk is not None:
            return "not a reason", junk
        if language == "other":
            return "unclear", "no covered language"
        if language and self.classifier.encoder is None and self.languages.get(language, 0) < LANGUAGE_ROWS:
            return "unclear", f"no covered language: nothing was learnt in {language!r}, and the extra is not in use"
        if not familiar and self.classifier.encoder is None:
            return "unclear", "none of its words is known"
        if probability < self.thresholds.unclear:
            return "unclear", ""
        if not self.taxonomy.reason(id).counts:
            return "not a reason", ""
        return ("sure" if probability >= self.thresholds.sure else "review"), ""

    def _further(self, batch: Batch) -> list[tuple[tuple[str, float], ...]]:
        """Other reasons than the primary one that a note, or a part of it, gives."""
        found: list[dict[int, float]] = [{} for _ in batch.texts]
        counts = np.array([reason.counts for reason in self.taxonomy.reasons])
        parts = (
            (np.arange(len(batch.texts)), np.exp(batch.log_p), self.thresholds.beside),
            (np.array(batch.clause_owner, dtype=np.int64), np.exp(batch.clause_log_p), self.thresholds.further),
        )
        for owner, p, least in parts:
            told = (p >= least) & counts & (np.arange(len(counts)) != batch.best[owner, None])
            for row, reason in np.argwhere(told).tolist():
                known = found[owner[row]]
                known[reason] = max(known.get(reason, 0.0), float(p[row, reason]))
        ids = self.taxonomy.ids
        return [
            tuple((ids[reason], p) for reason, p in sorted(known.items(), key=lambda item: -item[1]))
            for known in found
        ]

    def save(self, folder: Path) -> None:
        """Write it into an empty folder: arrays, JSON and the taxonomy's TOML, no code; see `models.bundle`."""
        self.classifier.save(folder)
        (folder / "taxonomy.toml").write_text(to_toml(self.taxonomy), encoding="utf-8")
        data = {
            "taxonomy": self.taxonomy.digest, "thresholds": asdict(self.thresholds), "languages": self.languages,
            "n_labels": self.n_labels, "rivals": list(self.rivals), "templates": list(self.templates),
        }  # fmt: skip
        (folder / "reasons.json").write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, folder: Path, encoder: SentenceEncoder | None = None) -> ReasonModel:
        """Read what `save` wrote.

        Args:
            folder: The folder.
            encoder: A sentence encoder with its cache; by default a new one where the model needs one.

        Raises:
            TaxonomyMismatch: Its taxonomy is not the one that it was fitted on.
            EncoderError: It was fitted with another sentence encoder.
        """
        data = json.loads((folder / "reasons.json").read_text())
        taxonomy = parse_taxonomy((folder / "taxonomy.toml").read_text(encoding="utf-8"), str(folder / "taxonomy.toml"))
        if taxonomy.digest != data["taxonomy"]:
            told = f"it was fitted on {data['taxonomy']}, its file now is {taxonomy.digest}"
            raise TaxonomyMismatch(f"the taxonomy of the saved model was changed: {told}")
        return cls(
            taxonomy, Classifier.load(folder, encoder), Thresholds(**data["thresholds"]), data["languages"],
            data["n_labels"], tuple(data["rivals"]), tuple(data["templates"]),
        )  # fmt: skip


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))

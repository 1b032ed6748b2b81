"""Commands that read notes: fit-reasons on labels of one's own, and classify."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.registry import REASONS
from models.taxonomy import load_taxonomy
from wonlost.cli.console import SIMULATED, UsageError, err, is_terminal, load, load_reasons, out, settings, table
from wonlost.csv_cells import neutral

if TYPE_CHECKING:
    from crm.notes import Note
    from models.reasons import Reading, ReasonModel, SentenceEncoder
    from models.taxonomy import Taxonomy
    from models.taxonomy.labels import Labels
    from training.reasons import FitReport

COLUMNS = ("text", "reason", "probability", "status", "further", "evidence")
MODEL = "model"
REPORT = "report.json"
DOUBTFUL = "doubtful.csv"


def fit_reasons(
    taxonomy: Annotated[Path, typer.Option(metavar="T.toml", help="The reasons; see wonlost taxonomy new.")],
    output: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the model; must not be there yet.")],
    labels: Annotated[
        Path | None, typer.Option(metavar="LABELS.csv", help="Columns text and reason; several reasons separated by |, "
                                                             "the primary one first. Without: the taxonomy alone.")
    ] = None,
    multilingual: Annotated[
        bool, typer.Option("--multilingual", help="Use sentence vectors too, for which the extra of this name must be "
                                                  "installed.")
    ] = False,
    accuracy: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Accuracy that readings called sure are to have.")
    ] = 0.85,
) -> None:  # fmt: skip
    """Fit a model of reasons on labelled texts, without a CRM; wonlost classify --model reads with it."""
    from models.bundle import save_bundle
    from models.taxonomy.labels import Labels, read_labels
    from training.reasons import FitSettings
    from training.reasons import fit_reasons as fit

    if output.exists():
        raise UsageError(f"--out {output} is there already; remove it first, or choose another name")
    reasons = load_taxonomy(taxonomy)
    found = Labels((), (), ()) if labels is None else read_labels(labels)
    _check_labels(found, reasons)
    encoder = _encoder() if multilingual else None
    fitted = fit(found.texts, found.reasons, reasons, encoder=encoder, settings=FitSettings(wanted=accuracy))
    if encoder is not None:
        encoder.save_cache()
    save_bundle(fitted.model, output / MODEL)
    _write_report(fitted.report, found, fitted.model, output)
    _print_report(fitted.report, found, output)


def _encoder() -> SentenceEncoder:
    """The sentence encoder, its vectors kept between commands."""
    from models.reasons import SentenceEncoder

    return SentenceEncoder(settings().var / "sentences")


def _check_labels(labels: Labels, taxonomy: Taxonomy) -> None:
    """Refuse labels that the taxonomy does not have, with their first rows."""
    from crm.errors import InputError, Problem

    problems = [
        Problem(labels.file, labels.first_row(id), "reason", id, f"is no reason of the taxonomy {taxonomy.name!r}")
        for id in labels.counts if taxonomy.current_id(id) is None
    ]  # fmt: skip
    if problems:
        raise InputError(problems[:20], len(problems))


def _write_report(report: FitReport, labels: Labels, model: ReasonModel, folder: Path) -> None:
    data = {
        "taxonomy": report.taxonomy.digest, "labels": report.n_labels, "taxonomy_rows": report.n_taxonomy,
        "languages": report.languages, "recipe": vars(report.recipe), "sentence_share": report.share,
        "thresholds": vars(report.thresholds), "accuracy": report.accuracy, "macro_f1": report.macro_f1,
        "log_loss": report.log_loss, "log_loss_uncalibrated": report.log_loss_before, "ece": report.ece,
        "reasons": [vars(score) for score in report.reasons], "confusion": report.confusion.tolist(),
        "coverage": [vars(point) for point in report.coverage_curve], "doubtful_labels": len(report.flags),
    }  # fmt: skip
    (folder / REPORT).write_text(json.dumps(_finite(data), indent=1))
    ids = report.taxonomy.ids
    with (folder / DOUBTFUL).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "text", "reason", "suggested", "doubt"])
        for flag in report.flags:
            text = model.clean([labels.texts[flag.row]])[0]
            cells = [text, "|".join(labels.reasons[flag.row]), ids[flag.suggested]]
            writer.writerow([labels.rows[flag.row], *map(neutral, cells), f"{flag.doubt:.3f}"])


def _finite(value: object) -> object:
    """Plain data without NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_report(report: FitReport, labels: Labels, folder: Path) -> None:
    if labels.unlabelled:
        err.print(f"note: {labels.unlabelled:,} rows of {labels.file} have no reason and were left out", markup=False)
    if report.n_labels:
        rows = [[score.id, f"{score.n:,}", _percent(score.precision), _percent(score.recall)]
                for score in report.reasons]  # fmt: skip
        out.print(table("out of fold", ["reason", "labels", "precision %", "recall %"], rows))
    told = (f": accuracy {_percent(report.accuracy)} %, macro-F1 {report.macro_f1:.3f}, calibration error "
            f"{report.ece:.3f}" if report.n_labels else "")  # fmt: skip
    out.print(f"{report.n_labels:,} labels and {report.n_taxonomy:,} phrases of the taxonomy{told}", markup=False)
    limits = report.thresholds
    if limits.stated is None:
        out.print(f"sure: none, for no accuracy of {100 * limits.wanted:.0f} % could be shown", markup=False)
    else:
        out.print(f"sure: from {100 * limits.sure:.0f} % on, {100 * limits.coverage:.0f} % of the notes, "
                  f"{100 * limits.stated:.1f} % of them right", markup=False)  # fmt: skip
    if report.flags:
        out.print(f"{len(report.flags):,} labels look wrong: {folder / DOUBTFUL}", markup=False)
    out.print(f"wrote {folder}; next: wonlost classify --model {folder} --file NOTES.csv --out OUT.csv", markup=False)


def _percent(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f}"


def classify(
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A model that fit-reasons wrote; by default the champion.")
    ] = None,
    kind: Annotated[
        str, typer.Option(metavar="loss|win", help="Which champion: of notes on lost deals, or on won ones.")
    ] = "loss",
    text: Annotated[str | None, typer.Option(metavar="NOTE", help="One note.")] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="NOTES.csv", help="Notes, in a column text; others are not read.")
    ] = None,
    store: Annotated[bool, typer.Option("--store", help="All notes of the kind in the store.")] = False,
    output: Annotated[
        Path | None, typer.Option("--out", metavar="OUT.csv", help="Where to write: one row for each note.")
    ] = None,
    taxonomy: Annotated[
        Path | None, typer.Option(metavar="T.toml", help="Refuse a model that was fitted on another one.")
    ] = None,
) -> None:
    """Say why deals were lost or won, from their notes: reason, probability, how far to trust it, the words."""
    if [text is not None, file is not None, store].count(True) != 1:
        raise UsageError("give one note with --text, a file of notes with --file, or take those in the store: --store")
    if (file is not None and output is None) or (text is not None and output is not None):
        raise UsageError("--file and --out go together")
    if kind not in REASONS:
        raise UsageError(f"--kind {kind!r} is neither loss nor win")
    encoder = _encoder()
    found = _model(model, kind).with_cache(encoder)
    if taxonomy is not None:
        found.check_taxonomy(load_taxonomy(taxonomy))
    if text is not None:
        _print_reading(found.classify([text])[0])
    if file is not None and output is not None:
        counts = write_readings(found, file, output)
        told = ", ".join(f"{n:,} {status}" for status, n in counts.items() if n)
        encoder.save_cache()
        out.print(f"wrote {output}: {sum(counts.values()):,} notes ({told or 'none'})", markup=False)
    if store:
        _classify_store(found, kind, output)
        encoder.save_cache()


def _classify_store(model: ReasonModel, kind: str, output: Path | None) -> None:
    """Read the notes of the store; show how often each reason was read and picked, and write the readings."""
    from collections import Counter

    from crm.notes import closed_notes

    crm = load(settings())
    notes = [note for note in closed_notes(crm) if note.key.kind == kind]
    readings = model.classify([note.text for note in notes])
    taxonomy = model.taxonomy
    picked = [taxonomy.of_picklist(note.picklist) if note.picklist else None for note in notes]
    trusted = [reading.status in ("sure", "review") for reading in readings]
    read = Counter(reading.reason for reading, known in zip(readings, trusted, strict=True) if known)
    picks = Counter(id for id in picked if id is not None)
    both = [(reading.reason, id) for reading, id, known in zip(readings, picked, trusted, strict=True)
            if known and id is not None]  # fmt: skip
    rows = [[id, f"{read[id]:,}", f"{picks[id]:,}"] for id in sorted(taxonomy.ids, key=lambda id: -read[id])
            if read[id] or picks[id]]  # fmt: skip
    out.print(table(f"{len(notes):,} {kind} notes", ["reason", "read from the note", "picked in the CRM"], rows))
    unclear = len(notes) - sum(trusted)
    differ = sum(one != other for one, other in both)
    out.print(f"{unclear:,} notes are unclear or say nothing; where note and picklist both tell, they differ in "
              f"{differ:,} of {len(both):,}", markup=False)  # fmt: skip
    if crm.process.simulated:
        err.print(f"note: notes of {SIMULATED}", markup=False)
    if output is not None:
        _write_store(notes, readings, picked, output)
        out.print(f"wrote {output}", markup=False)


def _write_store(notes: Sequence[Note], readings: Sequence[Reading], picked: Sequence[str | None], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["opportunity_id", *COLUMNS, "rival", "language", "picklist", "picklist_reason"])
        for note, reading, meant in zip(notes, readings, picked, strict=True):
            own = (note.key.opportunity_id, reading.rival or "", reading.language, note.picklist, meant or "")
            deal, *rest = map(neutral, own)
            # the note as it was read: personal data masked, unlike a file of one's own, which comes back as it was
            writer.writerow([deal, *_cells(reading.text, reading), *rest])


def _model(folder: Path | None, kind: str) -> ReasonModel:
    """The model to read with."""
    from models.bundle import load_bundle
    from models.reasons import ReasonModel

    if folder is None:
        return load_reasons(settings(), kind)[0]
    if not folder.is_dir():
        raise UsageError(f"--model {folder}: there is no such folder")
    return load_bundle(folder / MODEL if (folder / MODEL).is_dir() else folder, kind=ReasonModel)


def _print_reading(reading: Reading) -> None:
    why = f" ({reading.note})" if reading.note else ""
    out.print(f"{reading.reason}: {100 * reading.probability:.0f} %, {reading.status}{why}", markup=False)
    for id, p in reading.further:
        out.print(f"also {id}: {100 * p:.0f} %", markup=False)
    if reading.evidence:
        out.print("told by: " + ", ".join(repr(part.text) for part in reading.evidence), markup=False)
    if reading.rival:
        out.print(f"rival: {reading.rival}", markup=False)
    if reading.language:
        out.print(f"language: {reading.language}", markup=False)


def write_readings(model: ReasonModel, source: Path, target: Path) -> dict[str, int]:
    """Read a file of notes and write what they say; the file appears under its name only when it is whole.

    Memory is bounded by one chunk of the file. Cells that a spreadsheet would run as a formula get an apostrophe.

    Returns:
        Number of notes by status.

    Raises:
        InputError: The notes cannot be read; names file, row, column and value.
    """
    from models.reasons import STATUSES

    counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
    part = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for texts in read_notes(source):
                for text, reading in zip(texts, model.read(texts), strict=True):
                    counts[reading.status] += 1
                    writer.writerow(_cells(text, reading))
                if is_terminal():
                    err.print(f"{sum(counts.values()):,} notes", end="\r")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return counts


def _cells(text: str, reading: Reading) -> Iterable[str]:
    further = "|".join(id for id, _ in reading.further)
    evidence = " | ".join(found.text for found in reading.evidence)
    return (neutral(text), neutral(reading.reason), f"{reading.probability:.4f}", reading.status, neutral(further),
            neutral(evidence))  # fmt: skip


def read_notes(path: Path) -> Iterator[list[str]]:
    """Notes of a CSV (also .csv.gz) or Parquet file, some thousands at a time; an empty cell is a note too.

    Raises:
        InputError: It cannot be read, or has no column `text`.
    """
    from crm.errors import InputError, Problem
    from crm.reading.files import Source
    from crm.rules import Format

    source = Source.open(path, Format())
    header = [name.lower() for name in source.header]
    if header.count("text") != 1:
        told = "is there more than once" if "text" in header else "is missing"
        raise InputError([Problem(source.name, 1, "text", ", ".join(source.header), f"this column {told}")])
    place = header.index("text")
    for chunk in source.chunks([place], blank=True):
        yield chunk.columns[place].tolist()


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("fit-reasons")(fit_reasons)
    app.command("classify")(classify)

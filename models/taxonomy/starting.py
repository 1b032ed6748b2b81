"""A starter taxonomy from labels of one's own: one reason for each label, to be improved by hand."""

from __future__ import annotations

import re

from crm.errors import InputError, Problem
from models.taxonomy.labels import Labels
from models.taxonomy.reasons import Reason, Taxonomy, plain
from models.taxonomy.writing import to_toml

_NOTE = """\
# A starter made from the names of the labels in {file}, the most frequent first. To make it better:
# say in each definition what belongs there, add phrases as people write them to seeds, and put the reasons into groups.
"""


def starter(labels: Labels, kind: str = "own", name: str = "") -> str:
    """TOML text of a taxonomy with one reason for each label, in order of frequency.

    Name, definition and the one seed phrase are made from the label's own words. The labelled texts are not used: they
    may hold personal data, and a model that is fitted on them sees them anyway.

    Args:
        labels: What people labelled.
        kind: `loss`, `win`, or a name of one's own.
        name: What people call the taxonomy; by default it says which file it was made from.

    Raises:
        InputError: Two labels are the same but for case and punctuation, so one of them is misspelt.
    """
    _check_spelling(labels)
    reasons = tuple(_reason(id) for id in labels.counts)
    made = Taxonomy(kind, name or f"from {labels.file}", ("Reasons",), reasons)
    remarks = {id: f"{count:,} {'label' if count == 1 else 'labels'}" for id, count in labels.counts.items()}
    return _NOTE.format(file=" ".join(labels.file.split())) + "\n" + to_toml(made, remarks)


def _reason(id: str) -> Reason:
    words = " ".join(_words(id))
    called = words[0].upper() + words[1:]
    definition = called + "." if called[-1].isalnum() else called
    return Reason(id, "Reasons", called, definition, (words.lower(),))


def _check_spelling(labels: Labels) -> None:
    seen: dict[str, str] = {}
    for id in labels.counts:
        other = seen.setdefault(plain(id) or id, id)
        if other != id:
            told = f"differs only in case or punctuation from {other!r}, which is more frequent; write it the same way"
            raise InputError([Problem(labels.file, labels.first_row(id), "reason", id, told)])


def _words(id: str) -> list[str]:
    """Words of an id: `card_not_working`, `Card-not-working` and `cardNotWorking` have three."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", id).replace("_", " ").replace("-", " ").split() or [id]

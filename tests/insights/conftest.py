"""A model of reasons on a small taxonomy, and notes for it to read."""

from __future__ import annotations

import numpy as np
import pytest

from models.reasons import Classifier, ReasonModel, Recipe, Thresholds
from models.taxonomy import Reason, Taxonomy

LEARNT = {
    "price": ["too expensive for us", "price was too high", "our price was far above theirs", "the cost was too high"],
    "timing": ["moved to next year", "postponed until next quarter", "come back next year", "project postponed"],
    "silence": ["they went silent", "no reply to our mails", "went dark after the demo", "never called us back"],
}


def reason(id: str) -> Reason:
    return Reason(id, "All", id.capitalize(), f"{id} of it", tuple(LEARNT[id]), synonyms=(f"Our {id}",))


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return Taxonomy("loss", "three reasons", ("All",), tuple(reason(id) for id in LEARNT))


@pytest.fixture(scope="session")
def model(taxonomy: Taxonomy) -> ReasonModel:
    texts = [text for texts in LEARNT.values() for text in texts]
    place = np.repeat(np.arange(len(LEARNT)), [len(texts) for texts in LEARNT.values()])
    classifier = Classifier.fit(texts, place, len(LEARNT), np.ones(len(texts)), Recipe())
    return ReasonModel(taxonomy, classifier, Thresholds(unclear=0.6), {"en": 1000})

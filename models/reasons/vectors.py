"""Texts as sparse vectors: TF-IDF of words, pairs of neighbouring words, and character n-grams within words.

What a word gives (itself and its n-grams) depends on the word alone, so it is worked out once for each distinct word
and kept: notes repeat words, and this makes reading many of them several times faster than going through characters
again and again. It also says what each word of a note added to a decision, which is the evidence shown.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from crm.tables import FloatArray, IntArray
from models.notes.vocabulary import fold

TOKEN = re.compile(r"(\w+(?:['\u2019](?:t|s|re|ve|ll|d|m)\b)?|[^\w\s])", re.IGNORECASE)
"""A word, with an English ending after an apostrophe ("couldn't" and "couldnt" are one word), or a sign."""

GRAMS = (2, 3, 4, 5)
"""Lengths that character n-grams may have, a blank at each end of the word included; three of them are counted."""

LONGEST = 4
"""Greatest length of those counted, unless a recipe says 5."""

WORD_WEIGHT = 0.7
"""Length of the block of words, beside 1 for the block of n-grams; chosen by cross-validation within training data."""

MANY_ROWS = 2_000
"""Rows from which a feature must stand in two of them: what was seen once tells little, and is most of the features."""

_KEPT_WORDS = 100_000
_LONGEST_WORD = 40
_DIGIT = re.compile(r"\d")


def lengths_to(longest: int) -> tuple[int, ...]:
    """Lengths of the n-grams that are counted: three, up to the longest."""
    return tuple(n for n in GRAMS if longest - 3 < n <= longest)


@dataclass(frozen=True)
class Tokens:
    """The words of some texts, one after the other.

    Attributes:
        owner: Text of each token, ascending, shape (n_tokens,).
        word: Number of its word in the vocabulary's cache, shape (n_tokens,).
        start: Where it begins in its text, shape (n_tokens,).
        end: Where it ends.
        n_texts: Number of texts, those without a token included.
    """

    owner: IntArray
    word: IntArray
    start: IntArray
    end: IntArray
    n_texts: int


@dataclass(frozen=True)
class Occurrences:
    """The places where known features stand.

    Attributes:
        token: Token of each, shape (n_occurrences,); of a pair its first.
        feature: The feature, same shape.
        n_pairs: How many of the last are pairs, each of which belongs to the next token too.
    """

    token: IntArray
    feature: IntArray
    n_pairs: int


class Vocabulary:
    """Which words and n-grams are counted, and how rare each is.

    A text's vector has two blocks, words (with pairs) and n-grams. In each, a feature that occurs c times counts as
    (1 + log c) x idf with idf = log((1 + n) / (1 + df)) + 1 (Salton and Buckley 1988, as scikit-learn smooths it), and
    the block is brought to a fixed length, so that long and short notes weigh the same.

    Args:
        words: Words and pairs ("went dark"), folded.
        grams: Character n-grams.
        idf: Rarity of each, words first, shape (n_features,).
    """

    def __init__(self, words: Sequence[str], grams: Sequence[str], idf: FloatArray) -> None:
        self.words, self.grams = list(words), list(grams)
        self.idf = np.asarray(idf, dtype=np.float64)
        self._place = {word: number for number, word in enumerate(self.words)}
        self._gram_place = {gram: number for number, gram in enumerate(self.grams, start=len(self.words))}
        self._forget()

    def _forget(self) -> None:
        self._known: dict[str, int] = {}
        self._folded: list[str] = []
        self._features: list[IntArray] = []
        self._is_word: list[bool] = []
        self._familiar: list[bool] = []

    @classmethod
    def learn(
        cls, texts: Sequence[str], least: int | None = None, lengths: Sequence[int] = lengths_to(LONGEST)
    ) -> Vocabulary:
        """The vocabulary of some texts.

        Args:
            texts: Texts of the training rows.
            least: Texts that a feature must stand in; by default 1, and 2 from `MANY_ROWS` on.
            lengths: Lengths of the n-grams, of those in `GRAMS`.
        """
        least = least or least_rows(len(texts))
        words: Counter[str] = Counter()
        grams: Counter[str] = Counter()
        for text in texts:
            folded = [fold_word(match) for match in TOKEN.findall(text)]
            words.update({*folded, *_pairs(folded)})
            grams.update({gram for word in set(folded) for gram in _grams(word, lengths)})
        kept = [{name: n for name, n in counts.items() if n >= least} for counts in (words, grams)]
        df = np.array([n for counts in kept for n in counts.values()], dtype=np.float64)
        return cls(list(kept[0]), list(kept[1]), rarity(df, len(texts)))

    def __len__(self) -> int:
        return len(self.idf)

    def among(self, lengths: Sequence[int]) -> NDArray[np.bool_]:
        """Which features are words, pairs, or n-grams of these lengths, shape (n_features,)."""
        length = np.array([len(gram) for gram in self.grams], dtype=np.int64)
        return np.concatenate([np.ones(len(self.words), dtype=np.bool_), np.isin(length, lengths)])

    def familiar(self, tokens: Tokens) -> NDArray[np.bool_]:
        """Whether each text has a word that is itself a feature, shape (n_texts,)."""
        known = np.array(self._familiar, dtype=np.float64)[tokens.word]
        return np.asarray(np.bincount(tokens.owner, known, minlength=tokens.n_texts) > 0)

    def is_word(self, tokens: Tokens) -> NDArray[np.bool_]:
        """Whether each token is a word or a number rather than a sign, shape (n_tokens,)."""
        return np.array(self._is_word, dtype=np.bool_)[tokens.word]

    def _add(self, word: str) -> int:
        """Work out the features of a new word; its number in the cache."""
        folded = fold_word(word)
        found = [self._place.get(folded), *(self._gram_place.get(gram) for gram in _grams(folded, GRAMS))]
        number = self._known[word] = len(self._folded)
        self._folded.append(folded)
        self._is_word.append(folded.isalnum())
        self._familiar.append(folded.isalnum() and folded in self._place)
        self._features.append(np.array([place for place in found if place is not None], dtype=np.int64))
        return number

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Find the words of texts. Their numbers hold until the next call."""
        if len(self._folded) > _KEPT_WORDS:
            self._forget()
        parts: list[str] = []  # what lies between words and the words in turn, a gap at each end of a text
        per_text = []
        for text in texts:
            found = TOKEN.split(text)
            parts += found
            per_text.append(len(found))
        known, new = self._known, self._add
        size = np.array(per_text, dtype=np.int64)
        owner = np.repeat(np.arange(len(texts)), size)
        first = np.cumsum(size) - size
        is_token = (np.arange(len(parts)) - first[owner]) % 2 == 1
        word = [known[part] if part in known else new(part) for part in compress(parts, is_token.tolist())]
        length = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
        end = np.cumsum(length)
        begin = (end - length)[first] if len(texts) else first
        start, end = (end - length - begin[owner])[is_token], (end - begin[owner])[is_token]
        return Tokens(owner[is_token], np.array(word, dtype=np.int64), start, end, len(texts))

    def occurrences(self, tokens: Tokens) -> Occurrences:
        """Every place where a known feature stands."""
        known = [self._features[number] for number in tokens.word.tolist()]
        lengths = np.fromiter(map(len, known), dtype=np.int64, count=len(known))
        token = np.repeat(np.arange(len(known)), lengths)
        feature = np.concatenate(known) if known else np.zeros(0, dtype=np.int64)
        first, pair = self._pairs(tokens)
        return Occurrences(np.concatenate([token, first]), np.concatenate([feature, pair]), len(first))

    def _pairs(self, tokens: Tokens) -> tuple[IntArray, IntArray]:
        """Known pairs of neighbouring words: the first token and the feature of each, both of shape (n_pairs,)."""
        get = self._place.get
        written = [self._folded[number] for number in tokens.word.tolist()]
        place = [get(f"{left} {right}", -1) for left, right in pairwise(written)]
        feature = np.array(place, dtype=np.int64)
        first = np.flatnonzero((feature >= 0) & (tokens.owner[1:] == tokens.owner[:-1]))
        return first, feature[first]

    def counts(self, owner: IntArray, feature: IntArray, n_rows: int) -> csr_matrix:
        """How often each feature occurs, shape (n_rows, n_features), columns of a row in order.

        Args:
            owner: Row of each occurrence, in any order.
            feature: Its feature.
            n_rows: Number of rows.
        """
        # Sorting whole numbers is several times faster than SciPy's way from triples.
        key, count = np.unique(owner * len(self) + feature, return_counts=True)
        row, column = np.divmod(key, max(1, len(self)))
        edge = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))])
        return csr_matrix((count.astype(np.float64), column, edge), shape=(n_rows, len(self)))

    def weighed(self, counts: csr_matrix, idf: FloatArray | None = None) -> csr_matrix:
        """Vectors from counts, same shape and places; a text without a known feature is a row of zeros.

        Args:
            counts: What `counts` gives.
            idf: Rarity of each feature among other rows, 0 for one to be left out; by default the vocabulary's own.
        """
        row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        value = (1 + np.log(counts.data)) * (self.idf if idf is None else idf)[counts.indices]
        is_gram = counts.indices >= len(self.words)
        block = 2 * row + is_gram
        length = np.sqrt(np.bincount(block, value**2, minlength=2 * counts.shape[0]))
        value *= np.where(is_gram, 1.0, WORD_WEIGHT) / np.where(length > 0, length, 1.0)[block]
        return csr_matrix((value, counts.indices, counts.indptr), shape=counts.shape)

    def count(self, texts: Sequence[str]) -> csr_matrix:
        """Counts of texts, shape (n_texts, n_features)."""
        tokens = self.tokens(texts)
        found = self.occurrences(tokens)
        return self.counts(tokens.owner[found.token], found.feature, len(texts))

    def vectors(self, texts: Sequence[str]) -> csr_matrix:
        """Vectors of texts, shape (n_texts, n_features)."""
        return self.weighed(self.count(texts))

    def save(self, folder: Path) -> None:
        """Write it into a folder, as data."""
        (folder / "vocabulary.json").write_text(json.dumps({"words": self.words, "grams": self.grams}))
        np.save(folder / "idf.npy", self.idf)

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Read what `save` wrote."""
        data = json.loads((folder / "vocabulary.json").read_text())
        return cls(data["words"], data["grams"], np.load(folder / "idf.npy", allow_pickle=False))


def rarity(df: FloatArray, n_rows: int) -> FloatArray:
    """Inverse document frequency of features that stand in `df` of `n_rows` rows, same shape."""
    return np.asarray(np.log((1 + n_rows) / (1 + df)) + 1)


def least_rows(n_rows: int) -> int:
    """Rows that a feature must stand in to be counted."""
    return 2 if n_rows >= MANY_ROWS else 1


def fold_word(word: str) -> str:
    """A word as it is compared: lower case, without accents and apostrophes, each digit a 0, of bounded length."""
    return _DIGIT.sub("0", fold(word[:_LONGEST_WORD]).replace("'", "").replace("\u2019", ""))


def _grams(word: str, lengths: Sequence[int]) -> Iterable[str]:
    edged = f" {word} "
    return (edged[at : at + n] for n in lengths for at in range(len(edged) - n + 1))


def _pairs(words: Sequence[str]) -> Iterable[str]:
    return (f"{left} {right}" for left, right in pairwise(words))

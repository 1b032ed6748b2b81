"""One row alone takes its own way through `Encoding`: it must end at the same bits as among many."""

from __future__ import annotations

import numpy as np
import pytest

from crm.tables import Coded, FloatArray
from features.matrix import FeatureMatrix
from models.encoding import Encoding
from models.errors import FeatureMismatch

ENCODING = Encoding(("age", "amount"), {"stage": ("A", "B"), "source": ("Web",)})
NOTHING = np.full(4, np.nan)
AGE, AMOUNT = np.array([1.5, np.nan, -0.0, np.inf]), np.array([np.nan, 2.0, 1e300, 5e-324])
STAGE = Coded.of(["B", None, "A", "Unknown"])
EXPECTED = np.array([
    [1.5, np.nan, 1.0, 0.0], [np.nan, 2.0, np.nan, np.nan], [-0.0, 1e300, 0.0, np.nan], [np.inf, 5e-324, np.nan, 0.0],
])  # fmt: skip


def matrix_of(**changed: FloatArray | Coded) -> FeatureMatrix:
    source = Coded(np.array([1, -1, 0, 1], dtype=np.int32), ("Fair", "Web", "never seen"))
    return FeatureMatrix({"not read": AGE, "source": source, "stage": STAGE, "amount": AMOUNT, "age": AGE} | changed, 4)


def alone(matrix: FeatureMatrix) -> list[FloatArray]:
    return [ENCODING.encode(matrix.take(np.array([row]))) for row in range(matrix.n_rows)]


def bits(values: FloatArray) -> list[list[str]]:
    """Each number in full; any NaN is as good as another."""
    return [[value.hex() for value in row] for row in values.tolist()]


def test_rows_are_numbers_and_then_codes() -> None:
    assert bits(ENCODING.encode(matrix_of())) == bits(EXPECTED)


@pytest.mark.parametrize(
    "changed",
    [{}, {"stage": NOTHING}, {"age": Coded.of([None] * 4)}, {"source": Coded.of(["Web"] * 4)}],
    ids=["as it is", "text without a value", "numbers without a value", "fewer levels than rows"],
)
def test_a_row_alone_is_encoded_as_among_many(changed: dict[str, FloatArray | Coded]) -> None:
    matrix = matrix_of(**changed)
    among = ENCODING.encode(matrix)
    for row, one in enumerate(alone(matrix)):
        assert (one.shape, one.dtype) == ((1, 4), among.dtype)
        assert bits(one) == bits(among[[row]])


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"stage": AGE}, "'stage' holds numbers"), ({"age": STAGE}, "'age' holds text")],
)
def test_a_row_alone_is_refused_as_among_many(changed: dict[str, FloatArray | Coded], message: str) -> None:
    matrix = matrix_of(**changed)
    for rows in (matrix, matrix.take(np.array([0]))):
        with pytest.raises(FeatureMismatch, match=message):
            ENCODING.encode(rows)


@pytest.mark.parametrize("name", ["age", "stage"])
def test_a_row_alone_must_have_every_column(name: str) -> None:
    one = matrix_of().take(np.array([0]))
    del one.columns[name]
    with pytest.raises(FeatureMismatch, match=f"needs the feature '{name}'"):
        ENCODING.encode(one)

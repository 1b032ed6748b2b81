"""Reading notes: why a deal was lost or won, how sure that is, and the words that told it."""

from models.reasons.classifier import Classifier, Recipe, Scales
from models.reasons.model import ReasonModel, Thresholds
from models.reasons.reading import FLAGGED, STATUSES, Evidence, Reading, Status
from models.reasons.sentences import SentenceEncoder, encoder_available

__all__ = [
    "FLAGGED", "STATUSES", "Classifier", "Evidence", "ReasonModel", "Reading", "Recipe", "Scales", "SentenceEncoder",
    "Status", "Thresholds", "encoder_available",
]  # fmt: skip

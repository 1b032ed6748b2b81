"""Fitting a model of reasons on labelled notes, and what is known of it."""

from training.reasons.fit import FitSettings, Fitted, fit_reasons
from training.reasons.noise import Flag, probable_mislabels
from training.reasons.report import FitReport, expected_calibration_error, macro_f1

__all__ = [
    "FitReport", "FitSettings", "Fitted", "Flag", "expected_calibration_error", "fit_reasons", "macro_f1",
    "probable_mislabels",
]  # fmt: skip

"""Every error this room raises, as one tree.

ModelError
├── BundleError        a saved model is incomplete, or a byte of it was changed
├── FeatureMismatch    a model needs a feature that this code or this matrix does not have
├── NoChampionError    no version has been promoted yet
├── UnknownVersionError
├── NoReportError      a version was registered without a report, or it is gone
├── RegistryUnavailableError  the MLflow registry cannot be reached
├── TaxonomyError      a file of reasons is wrong: names file and line
├── TaxonomyMismatch   a model of reasons was fitted on another taxonomy
├── LabelError         labels that no model of reasons can be fitted on
└── EncoderError       the sentence encoder is not installed, or not the one that the model was fitted with
"""

from __future__ import annotations


class ModelError(Exception):
    """Any error about models; its text is fit to be shown to the user as it stands."""


class BundleError(ModelError):
    """A saved model is incomplete or was changed after it was saved; it is not loaded."""


class FeatureMismatch(ModelError):
    """A model needs features that are not there."""


class NoChampionError(ModelError):
    """No version of a model has been promoted yet."""


class UnknownVersionError(ModelError):
    """A version that the registry does not hold."""


class NoReportError(ModelError):
    """A version has no report of its training."""


class RegistryUnavailableError(ModelError):
    """The MLflow registry cannot be reached."""


class TaxonomyError(ModelError):
    """A file of reasons cannot be used; the text names file and line of every fault."""


class TaxonomyMismatch(ModelError):
    """A model of reasons was fitted on another taxonomy than the one it is to be used with; names both digests."""


class LabelError(ModelError):
    """Labels that no model of reasons can be fitted on."""


class EncoderError(ModelError):
    """The sentence encoder is not installed, or is not the one that the model was fitted with."""

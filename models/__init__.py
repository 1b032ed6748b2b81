"""The estimators, their calibration, explanation, evaluation and safekeeping."""

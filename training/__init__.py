"""Splits, rolling origins, the training run and the gate."""

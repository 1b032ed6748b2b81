"""A simulated CRM with known truth: its company, the weekly course of its deals, and what a CRM would export of it."""

"""Immutable folders on disk (snapshot, model, ground truth, evaluation), and the home's copies of the database."""

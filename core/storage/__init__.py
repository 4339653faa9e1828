"""Immutable folders on disk (snapshot, model, ground truth, ...), and the home's copies of the database."""

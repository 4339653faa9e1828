"""Offline: sources to tables, tables to features, features to encoders and baselines as model folders."""

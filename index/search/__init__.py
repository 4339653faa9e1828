"""Answers questions over a version and the changes on it."""

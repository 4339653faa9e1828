"""Evaluations: running, storing and comparing them."""

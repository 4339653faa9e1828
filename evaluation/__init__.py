"""Evaluation: the protocol, its figures and their confidence intervals."""

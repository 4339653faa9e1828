"""Canonical correlation analysis: the closed-form models, and their supervision by similar pairs."""

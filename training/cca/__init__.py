"""Canonical correlation analysis: the closed-form models, and their supervision by similarity pairs."""

"""Embed every artist from what it has, and search."""

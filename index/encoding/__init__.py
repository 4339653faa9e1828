"""Encoding of raw inputs of artists into embeddings."""

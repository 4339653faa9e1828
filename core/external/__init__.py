"""Embeddings and ranked lists that other programs computed: reading and checking of their files."""

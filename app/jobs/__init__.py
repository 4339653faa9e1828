"""Durable jobs: re-index, train, evaluate, import."""

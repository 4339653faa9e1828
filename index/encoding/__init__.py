"""Raw inputs of artists to embeddings."""

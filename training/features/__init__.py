"""Tables to single-modality embeddings, and the fitted basis that places new artists among them."""

"""Tables to single-modality embeddings, and the fitted featurizer that places new artists among them."""

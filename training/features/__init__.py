"""Features: single-modality vectors made from tables, and the fitted featurizer that adds new artists to them."""

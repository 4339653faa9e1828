"""Makes an index version from a snapshot and a model."""

"""Build of an index version from a snapshot and a model."""

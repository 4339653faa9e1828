"""The format of an index version on disk."""

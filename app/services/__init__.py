"""Use cases of the service: queries, artists and changes."""

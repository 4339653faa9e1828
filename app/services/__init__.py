"""Use cases of the service without HTTP: queries, artists and changes."""

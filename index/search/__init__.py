"""Search for similar artists and for names in a version and the changes on it."""

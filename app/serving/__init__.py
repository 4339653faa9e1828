"""State that answers requests: the version, the changes on it and the rules, one value."""

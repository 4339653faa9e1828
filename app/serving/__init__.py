"""What answers now: the version, the changes on it and the rules, one value."""

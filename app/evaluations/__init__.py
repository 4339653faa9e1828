"""Running, storing and comparing evaluations."""

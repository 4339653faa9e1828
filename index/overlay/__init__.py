"""Changes on a version while it serves."""

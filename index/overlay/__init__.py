"""The overlay: changes on a version while it serves."""

"""Changes of artists over HTTP: what stands after them, and tables with them folded in."""

"""Changes of artists over HTTP: the effective changes after them, and tables with these folded in."""

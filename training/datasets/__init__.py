"""Sources of catalogs: each one becomes a folder of tables."""

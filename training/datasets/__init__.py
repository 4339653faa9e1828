"""Datasets: sources of catalogs, each of which becomes a folder of tables."""

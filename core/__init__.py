"""The shared layer: ids and types, errors, settings, files, tables, snapshots, ground truths, models, metrics."""

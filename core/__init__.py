"""What all packages share: ids and types, errors, settings, files, tables, snapshots, truths, models, metrics."""

"""What surrounds every route: errors, dependencies, access, limits, logs, metrics."""

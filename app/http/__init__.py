"""Functions shared by all routes: errors, dependencies, access, limits, logs, metrics."""

"""The SQL database, which holds small, mutable records."""

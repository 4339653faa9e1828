"""The SQL database: small things that change."""

"""Protocols of other services, spoken so that their clients work with RIYL: thin translations onto the services."""

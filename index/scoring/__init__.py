"""The score of one artist for another, and the corrections that belong to it."""

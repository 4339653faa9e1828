"""The score of one artist for another, and its corrections."""

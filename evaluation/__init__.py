"""The protocol: who is asked, what is counted, and how sure the figures are."""

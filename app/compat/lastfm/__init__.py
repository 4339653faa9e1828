"""Last.fm 2.0: the methods on artists and tags, as their clients send and read them. RIYL is not affiliated."""

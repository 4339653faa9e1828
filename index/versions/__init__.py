"""The life of index versions: promotion, rollback, retention."""

"""Life cycle of index versions: promotion, rollback, retention."""

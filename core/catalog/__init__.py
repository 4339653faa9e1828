"""The catalog as files: tables, their columns and values, and pairs of ground truths, read and checked."""

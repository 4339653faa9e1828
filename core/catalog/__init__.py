"""A catalog as files: tables, their columns and values, and ground truth pairs, read and checked."""

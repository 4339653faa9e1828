"""Python interface: `riyl.open` and the objects that it returns."""

"""Training configs, one TOML file each."""

"""The shipped pipeline recipes, one TOML file each."""

__all__: list[str] = []

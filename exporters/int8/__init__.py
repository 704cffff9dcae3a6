"""What the int8 stage takes, searches and returns; and what it does to weights that stay float."""

__all__: list[str] = []

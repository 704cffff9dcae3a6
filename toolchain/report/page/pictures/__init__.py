"""The pictures of a page: each file paints one kind, and says in words what it shows."""

__all__: list[str] = []

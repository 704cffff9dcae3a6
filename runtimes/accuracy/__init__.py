"""What files answer on labelled images, and how their answers agree."""

__all__: list[str] = []

"""The command line: a thin coat over the stage functions, one command a file."""

__all__: list[str] = []

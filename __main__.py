"""``python -m nnc`` is the ``nnc`` command."""

from .toolchain.cli.entry import main

__all__: list[str] = []

if __name__ == "__main__":
    main()

"""Swapyard: many local inference servers behind one address.

`docs/architecture.md` is the map. Who may import whom is held by `tests/test_imports.py`.
"""

__version__ = "0.1.0"

"""Tools of whoever works on Swapyard; no part of the package."""

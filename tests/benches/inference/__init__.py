"""Parts of `tests/benches/inference.py`."""

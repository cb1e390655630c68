"""Measurements of what has to be fast, each against its goal: ``python -m benchmarks [NAME…]``."""

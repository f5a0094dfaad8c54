"""Measurements of Gobstopper against other frameworks and against itself: `python -m benchmarks NAME --help`."""

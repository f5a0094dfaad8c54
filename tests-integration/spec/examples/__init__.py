"""The code of the specification, between `# spec:` and `# end` as it is written there; the rest is what it presumes.

The document has lost its indentation, and blank lines; `test_spec_verbatim.py` compares the rest.
"""

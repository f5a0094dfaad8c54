"""The examples of the specification (`application-core.txt`), run as written on a real Granian."""

"""The names of the core, under the paths that the documentation uses."""

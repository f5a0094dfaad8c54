"""The routes of the structured example."""

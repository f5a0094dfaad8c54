"""The engines; each is imported only when a URL asks for it."""

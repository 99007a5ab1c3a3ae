"""Ollama's API, mirrored as it is in the daemon."""

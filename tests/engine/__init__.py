"""The engine process and its supervisor, tested with the real starter model."""

"""The network side of a running daemon."""

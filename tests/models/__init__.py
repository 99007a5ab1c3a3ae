"""Models on disk and from a package index."""

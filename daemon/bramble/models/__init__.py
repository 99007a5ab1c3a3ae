"""Model files: which there are to fetch, fetching them, what is on disk. Nobody here opens one; the engine does."""

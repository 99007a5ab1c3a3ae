"""The engine: a child process that owns the model. The daemon imports only `client` and `wire` from here."""

"""/openapi.json: every route, what it takes and how it answers."""

"""The routes under /api/admin/: `server.access` lets nobody but the admin come here."""

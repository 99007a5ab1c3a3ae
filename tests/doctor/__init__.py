"""`bramble doctor` on recorded boards and on this machine."""

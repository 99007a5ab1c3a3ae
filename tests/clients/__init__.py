"""Programs that others wrote, pointed at Bramble: they read what is there, not what we think they read."""

"""Conversations: what was said, what is being answered right now, and how one turn is taken."""

"""Conversations, their store and their running answers."""

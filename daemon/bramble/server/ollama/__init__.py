"""Ollama's API, for programs that know no other: bodies, answers as lines, facts about models, downloads."""

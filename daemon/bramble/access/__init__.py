"""Who is who: passwords, accounts, API keys, sessions, and how often anybody may try. It knows no HTTP."""

import logging

class JournalHandler(logging.Handler):
    def __init__(self, level: int = 0, **kwargs: str) -> None: ...

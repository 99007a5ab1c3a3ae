"""The settings: `load` reads them, `Config` holds them, `example` shows them all. It imports nobody above it."""

from bramble.config.changes import changes
from bramble.config.chat import CacheSettings, ChatSettings, QueueSettings, StoreSettings
from bramble.config.engine import EngineSettings, ThreadCounts, thread_counts
from bramble.config.loader import default_file, load
from bramble.config.page import Sources
from bramble.config.render import example
from bramble.config.schema import Config, EmbeddingSettings, GuardSettings
from bramble.config.server import (
    LimitSettings,
    Network,
    RateSettings,
    ServerSettings,
    TlsSettings,
)

__all__ = [
    "CacheSettings",
    "ChatSettings",
    "Config",
    "EmbeddingSettings",
    "EngineSettings",
    "GuardSettings",
    "LimitSettings",
    "Network",
    "QueueSettings",
    "RateSettings",
    "ServerSettings",
    "Sources",
    "StoreSettings",
    "ThreadCounts",
    "TlsSettings",
    "changes",
    "default_file",
    "example",
    "load",
    "thread_counts",
]

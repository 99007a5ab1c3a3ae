"""The shape of the store's file, from its first version on. Script n takes a file from user_version n to n + 1."""

MIGRATIONS = (
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY, created REAL NOT NULL, updated REAL NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        role TEXT NOT NULL,
        text TEXT NOT NULL,
        status TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        created REAL NOT NULL,
        ref TEXT UNIQUE
    ) STRICT;
    CREATE INDEX messages_of_conversation ON messages (conversation, id);
    """,
    # A conversation belongs to somebody, and is a tree: `head` is the last message of the branch that is shown.
    # Only what is not being written any more is searched; the trigrams hold no text of their own.
    """
    ALTER TABLE conversations ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    ALTER TABLE conversations ADD COLUMN title TEXT NOT NULL DEFAULT '';
    ALTER TABLE conversations ADD COLUMN head INTEGER;
    ALTER TABLE messages ADD COLUMN parent INTEGER;
    UPDATE messages SET parent = (
        SELECT max(id) FROM messages AS before
        WHERE before.conversation = messages.conversation AND before.id < messages.id
    );
    UPDATE conversations SET
        head = (SELECT max(id) FROM messages WHERE conversation = conversations.id),
        title = coalesce((
            SELECT substr(trim(text), 1, 60) FROM messages
            WHERE conversation = conversations.id ORDER BY id LIMIT 1
        ), '');
    CREATE INDEX conversations_of_owner ON conversations (owner, updated, id);
    CREATE INDEX messages_after ON messages (parent);
    CREATE VIRTUAL TABLE found USING fts5 (
        text, content = 'messages', content_rowid = 'id', tokenize = 'trigram'
    );
    INSERT INTO found (rowid, text) SELECT id, text FROM messages WHERE status <> 'writing';
    CREATE TRIGGER found_new AFTER INSERT ON messages WHEN new.status <> 'writing' BEGIN
        INSERT INTO found (rowid, text) VALUES (new.id, new.text);
    END;
    CREATE TRIGGER found_old AFTER UPDATE OF text, status ON messages WHEN old.status <> 'writing' BEGIN
        INSERT INTO found (found, rowid, text) VALUES ('delete', old.id, old.text);
    END;
    CREATE TRIGGER found_whole AFTER UPDATE OF text, status ON messages WHEN new.status <> 'writing' BEGIN
        INSERT INTO found (rowid, text) VALUES (new.id, new.text);
    END;
    CREATE TRIGGER found_gone AFTER DELETE ON messages WHEN old.status <> 'writing' BEGIN
        INSERT INTO found (found, rowid, text) VALUES ('delete', old.id, old.text);
    END;
    """,
    # Who answers in a conversation: '' nobody special, else a role of somebody's own or one that is shipped.
    """
    ALTER TABLE conversations ADD COLUMN role TEXT NOT NULL DEFAULT '';
    CREATE TABLE roles (
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, prompt TEXT NOT NULL,
        language TEXT NOT NULL, settings TEXT NOT NULL, created REAL NOT NULL
    ) STRICT;
    CREATE INDEX roles_of_owner ON roles (owner, created);
    """,
    # What there is of an answer until it is whole; a text without tokens was drawn by a model that is not known.
    # A part's number holds its message's: they lie together, and adding one changes one page and no index.
    """
    CREATE TABLE parts (
        id INTEGER PRIMARY KEY, text TEXT NOT NULL, tokens BLOB, model TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER parts_gone AFTER DELETE ON messages BEGIN
        DELETE FROM parts WHERE id BETWEEN old.id << 16 AND (old.id << 16) + 65535;
    END;
    """,
    # Answers to first questions, by a hash of all that counts; each goes when its message goes.
    """
    CREATE TABLE cached (
        key BLOB PRIMARY KEY, text TEXT NOT NULL,
        prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        message INTEGER REFERENCES messages (id) ON DELETE CASCADE, created REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX cached_of_message ON cached (message);
    CREATE INDEX cached_by_age ON cached (created);
    """,
    # Less wear of the card: the index tells in which messages a trigram is, no longer where, and is a third as large;
    # a message changes no index of conversations.
    """
    DROP TABLE found;
    CREATE VIRTUAL TABLE found USING fts5 (
        text, content = 'messages', content_rowid = 'id', tokenize = 'trigram', detail = 'none'
    );
    INSERT INTO found (found, rank) VALUES ('automerge', 8);
    DROP INDEX conversations_of_owner;
    CREATE INDEX conversations_of_owner ON conversations (owner);
    INSERT INTO found (rowid, text) SELECT id, text FROM messages WHERE status <> 'writing';
    """,
    # What an answer was given from: the oldest message that was not left out, and the tokens of all of it and itself.
    """
    ALTER TABLE messages ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
    """,
)
"""One that was released never changes; append another."""

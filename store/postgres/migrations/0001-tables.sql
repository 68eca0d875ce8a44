-- Makes the tables, in an empty database.
-- Locks: nothing, since nothing is there yet.
-- Time: less than a second; it does not depend on sessions, 1,000,000 or none.

-- Ids are compared by their bytes: every column of ids has COLLATE "C", whatever the
-- database's own collation is. Unsigned numbers are stored as the bigint of the same 64
-- bits. An instant that is not set is NULL, and -infinity where a column is compared.

CREATE TABLE meta (
  one bool PRIMARY KEY DEFAULT true CHECK (one),
  form int NOT NULL, -- the number of the latest migration
  -- Begins every position of an event; a restored copy gets another.
  incarnation bigint NOT NULL,
  -- The position of the newest event that a sweep has removed, (0, 0) for none.
  removed_xid xid8 NOT NULL DEFAULT '0',
  removed_seq bigint NOT NULL DEFAULT 0
);

CREATE TABLE everybody (
  one bool PRIMARY KEY DEFAULT true CHECK (one),
  version bigint NOT NULL,
  generation bigint NOT NULL,
  generation_at timestamptz,
  generation_by text,
  settings bigint NOT NULL,
  clients jsonb
);
INSERT INTO everybody (version, generation, settings) VALUES (0, 0, 0);

CREATE TABLE users (
  no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL CONSTRAINT users_id UNIQUE,
  version bigint NOT NULL,
  events bigint NOT NULL,
  generation bigint NOT NULL,
  generation_at timestamptz,
  generation_reason text,
  generation_by text,
  token_generation bigint NOT NULL,
  token_generation_at timestamptz
) WITH (fillfactor = 70); -- each act moves the version, in place

CREATE TABLE sessions (
  id text COLLATE "C" CONSTRAINT sessions_id PRIMARY KEY,
  user_no bigint NOT NULL,
  version bigint NOT NULL,
  generation bigint NOT NULL,
  everybody bigint NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  authenticated_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  renewed_at timestamptz NOT NULL,
  filed_at timestamptz NOT NULL,
  absolute_ns bigint NOT NULL,
  idle_ns bigint NOT NULL,
  secret_hash bytea NOT NULL,
  request_digest bytea,
  used_keys bytea, -- 16 bytes a key
  cookie_mode text,
  methods json,
  clients text[],
  metadata json, -- not jsonb: the order of the keys is kept
  initial_ip inet,
  initial_asn text,
  initial_agent text,
  ended_at timestamptz,
  end_reason text,
  ended_by text,
  -- The last interaction of an ended session; that of a live one is in uses.
  last_at timestamptz,
  last_idle_expires_at timestamptz,
  last_ip inet,
  last_asn text,
  last_agent text,
  ended bool NOT NULL GENERATED ALWAYS AS (ended_at IS NOT NULL) STORED
) WITH (fillfactor = 90);
CREATE INDEX sessions_user ON sessions (user_no, ended, created_at DESC); -- ties: sorted by id
CREATE INDEX sessions_filed ON sessions (filed_at);

-- The last interaction of each session that is not ended. A touch moves no column that an
-- index has, so it is written in place.
CREATE TABLE uses (
  session_id text COLLATE "C" CONSTRAINT uses_id PRIMARY KEY,
  user_no bigint NOT NULL,
  at timestamptz NOT NULL,
  idle_expires_at timestamptz NOT NULL,
  ip inet,
  asn text,
  agent text
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

-- An event's position is (xid, seq): the transaction, and the event's place in it.
CREATE TABLE events (
  xid xid8 NOT NULL,
  seq bigint NOT NULL,
  user_no bigint,
  number bigint NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  at timestamptz NOT NULL,
  session_id text,
  except_id text,
  client_id text,
  reason text,
  count bigint NOT NULL,
  generation bigint NOT NULL,
  token_generation bigint NOT NULL,
  actor text,
  actor_kind text,
  ip text,
  user_agent text,
  correlation_id text,
  CONSTRAINT events_position PRIMARY KEY (xid, seq)
);
CREATE INDEX events_user ON events (user_no, number);

CREATE TABLE documents (
  name text COLLATE "C" CONSTRAINT documents_name PRIMARY KEY,
  version bigint NOT NULL,
  body bytea NOT NULL
);

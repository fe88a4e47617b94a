"""The statements whose speed matters: named, so that a test can ask SQLite how it would run these very ones."""

from __future__ import annotations

#: Destinations that one channel may have: the lowest bits of a delivery's id (`>> 4` gives the message).
DESTINATIONS = 16

# -- the door ---------------------------------------------------------------------------------------------

ARRIVAL_OF_IDENTITY = """
    SELECT number, digest, answer_status, answer_headers, answer_body FROM arrival WHERE identity = ?"""

NEXT_ARRIVAL = "SELECT coalesce(max(number), 0) + 1 FROM arrival"

INSERT_ARRIVAL = "INSERT INTO arrival VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

INSERT_MESSAGE = """
    INSERT INTO message (id, arrival, channel, revision, received_at, focus, about, searchable)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""

INSERT_DELIVERY = "INSERT INTO delivery (id, destination, lane, status, changed_at) VALUES (?, ?, ?, 'RECEIVED', ?)"

INSERT_SEARCH = "INSERT OR IGNORE INTO search VALUES (?, ?, ?)"

# A lane that was idle becomes ready with this delivery as its head; a busy one keeps its head.
ENTER_LANE = """
    INSERT INTO lane (destination, key, state, head) VALUES (?, ?, 1, ?)
    ON CONFLICT (destination, key) DO UPDATE SET
        head = CASE state WHEN 0 THEN excluded.head ELSE head END,
        state = CASE state WHEN 0 THEN 1 ELSE state END
    RETURNING id"""

INSERT_REFUSAL = """
    INSERT INTO refusal (at, door, peer, code, reason, content_type, body) VALUES (?, ?, ?, ?, ?, ?, ?)"""

# -- the lanes --------------------------------------------------------------------------------------------

READY = "SELECT id, head FROM lane WHERE destination = ? AND state = 1 ORDER BY head LIMIT ?"

# CROSS JOIN fixes the order of the loops.
HEAD = """
    SELECT d.id, d.status, d.attempts, d.refusals, d.action, d.reason, d.lane,
           m.number, m.id, m.revision, m.received_at, m.focus, m.about, m.searchable,
           a.peer, a.content_type, a.body, o.control_id, o.encoded, k.delivery,
           d.changed_at = m.received_at
    FROM lane l CROSS JOIN delivery d ON d.id = l.head
        CROSS JOIN message m ON m.number = d.id >> 4
        CROSS JOIN arrival a ON a.number = m.arrival
        LEFT JOIN outgoing o ON o.delivery = d.id
        LEFT JOIN known k ON k.destination = l.destination AND k.about = m.about
    WHERE l.id = ? AND l.head = ? AND l.state = 1"""

MOVE = """
    UPDATE delivery SET status = ?, changed_at = ?, reason = ?, next_at = ?, attempts = attempts + ?,
        refusals = refusals + ?, action = coalesce(?, action)
    WHERE id = ? AND status = ? RETURNING destination, lane"""

INSERT_EVENT = "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

INSERT_OUTGOING = "INSERT INTO outgoing VALUES (?, ?, ?)"

FIRST_UNFINISHED = """
    SELECT id, status FROM delivery WHERE lane = ?
        AND status IN ('RECEIVED', 'TRANSFORMED', 'QUEUED', 'PENDING', 'ERROR')
    ORDER BY id LIMIT 1"""

FIRST_OPEN = """
    SELECT id FROM delivery WHERE lane = ?
        AND status IN ('RECEIVED', 'TRANSFORMED', 'QUEUED', 'PENDING', 'ERROR') AND status <> 'ERROR'
    ORDER BY id LIMIT 1"""

SET_LANE = "UPDATE lane SET state = ?, head = ? WHERE id = ?"

WAKE_LANE = "UPDATE lane SET state = 1 WHERE id = ? AND state = 2"

# A delivery of the same message came to a status that another destination waits for.
WAKE_SIBLINGS = "UPDATE lane SET state = 1 WHERE state = 2 AND head BETWEEN ? AND ?"

WAIT_IN_LANE = "UPDATE lane SET state = 2 WHERE id = ? AND head = ? AND state = 1"

# What became of the document of a message in another channel.
OF_SAME_ARRIVAL = """
    SELECT d.status FROM message mine CROSS JOIN arrival a ON a.number = mine.arrival
        CROSS JOIN message m ON m.number >= a.first_message AND m.number < a.first_message + a.messages
        CROSS JOIN channel c ON c.number = m.channel
        CROSS JOIN delivery d ON d.id >= m.number * 16 AND d.id < m.number * 16 + 16
    WHERE mine.number = ? AND c.name = ?"""

COUNT_CRASH = "UPDATE delivery SET crashes = crashes + 1 WHERE id = ? AND status = 'RECEIVED' RETURNING crashes"

WAKE_ALL = "UPDATE lane INDEXED BY lane_waiting SET state = 1 WHERE destination = ? AND state = 2"

REMEMBER = "INSERT OR REPLACE INTO known SELECT ?, about, ? FROM message WHERE number = ? AND about IS NOT NULL"

RAISE_LEVEL = """
    INSERT INTO level VALUES (?, ?, ?)
    ON CONFLICT (destination, status) DO UPDATE SET n = n + excluded.n"""

RAISE_FLOW = """
    INSERT INTO flow VALUES (?, ?, ?, ?)
    ON CONFLICT (hour, destination, status) DO UPDATE SET n = n + excluded.n"""

COUNT_COMMIT = """
    INSERT INTO writer VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET commits = commits + 1 RETURNING commits"""

# -- people -----------------------------------------------------------------------------------------------

FIND_BY_VALUE = "SELECT DISTINCT message FROM search WHERE value = ? ORDER BY message DESC LIMIT ?"

FIND_BY_CONTROL_ID = "SELECT delivery >> 4 FROM outgoing WHERE control_id = ? LIMIT 1"

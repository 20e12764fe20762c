"""The Lua scripts of the view, loaded from the package; each documents itself in its first lines."""

from __future__ import annotations

from stream_app.store.server import Script

APPLY = Script("apply", "aspects", "hazards")
WRITE_TEXT = Script("write_text")
CLAIM_DUE = Script("claim_due")
RELEASE_DUE = Script("release_due")
RECORD_ALERT = Script("record_alert")
NOTE_PUBLISHED = Script("note_published")
NOTE_RESTORED = Script("note_restored")
NOTE_EPISODES = Script("note_episodes")
NOTE_ALERT_WORDS = Script("note_alert_words")
DROP_ALERT_WORDS = Script("drop_alert_words")
SWITCH_GENERATION = Script("switch_generation")
CLAIM_REBUILD = Script("claim_rebuild")
ACKNOWLEDGE_ALERT = Script("acknowledge_alert")
MUTE_ALERT = Script("mute_alert")
NOTE_PROGRESS = Script("note_progress")

SCRIPTS = (
    APPLY,
    WRITE_TEXT,
    CLAIM_DUE,
    RELEASE_DUE,
    RECORD_ALERT,
    NOTE_PUBLISHED,
    NOTE_RESTORED,
    NOTE_EPISODES,
    NOTE_ALERT_WORDS,
    DROP_ALERT_WORDS,
    SWITCH_GENERATION,
    CLAIM_REBUILD,
    ACKNOWLEDGE_ALERT,
    MUTE_ALERT,
    NOTE_PROGRESS,
)

-- Keeps the words of a review that a recent alert quotes, unless the review was edited or deleted since.
--
-- KEYS  reviews, alert_words
-- ARGV  1 review_id, 2 revision and 3 raised_at of the alert (ms), 4 packed words
-- Returns 1 kept, 0 refused.

local reviews, alert_words = unpack(KEYS)
local review_id, revision, raised_at = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HGET', reviews, review_id)
if held then  -- guarantee: late-alert-brings-no-words-back
  local held_revision, deleted = string.match(held, '^(%d+) (%d+)')
  if tonumber(held_revision) > revision or (tonumber(held_revision) == revision and deleted == '1') then
    return 0
  end
end
local kept = redis.call('HGET', alert_words, review_id)
if kept then
  local kept_revision, kept_raised_at = string.match(kept, '^(%d+) (%d+)')
  if tonumber(kept_revision) > revision or
    (tonumber(kept_revision) == revision and tonumber(kept_raised_at) > raised_at) then
    return 0
  end
end
redis.call('HSET', alert_words, review_id, ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
return 1

-- Drops the words that a forgotten alert quoted, unless a later alert of the same review quotes them.
--
-- KEYS  alert_words
-- ARGV  1 review_id, 2 raised_at of the alert (ms)

local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept and tonumber(string.match(kept, '^%d+ (%d+)')) <= tonumber(ARGV[2]) then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0

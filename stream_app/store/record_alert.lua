-- Keeps an alert among the recent ones, without the words of its review; each alert_id once, at the gravest severity.
--
-- KEYS  alerts, alert_times
-- ARGV  1 alert_id, 2 raised_at in ms, 3 packed alert, 4 the severities, the gravest last
-- Returns 1 if this very alert was not there or is the one that is kept, 0 if another of its id stands.
--
-- The same alert is the one of the same id, severity and time: another version packs it with other fields.

local alerts, alert_times = unpack(KEYS)

local function gravity(alert)
  return string.find(ARGV[4], alert.severity, 1, true) or 0
end

local packed = redis.call('HGET', alerts, ARGV[1])
if packed then
  local held, given = cjson.decode(packed), cjson.decode(ARGV[3])
  local is_same = held.severity == given.severity and held.raised_at_ms == given.raised_at_ms
  if is_same then  -- guarantee: kept-alert-is-known-again
    return 1
  end
  if gravity(held) >= gravity(given) then  -- guarantee: alerts-are-kept-once
    return 0
  end
end
redis.call('HSET', alerts, ARGV[1], ARGV[3])
redis.call('ZADD', alert_times, ARGV[2], ARGV[1])
return 1

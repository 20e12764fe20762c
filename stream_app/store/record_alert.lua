-- Keeps an alert among the recent ones, without the words of its review; each alert_id once, at the gravest severity.
--
-- KEYS  alerts, alert_times
-- ARGV  1 alert_id, 2 raised_at in ms, 3 packed alert, 4 the severities, the gravest last
-- Returns 1 if this very alert was not there or is the one that is kept, 0 if another of its id stands.

local alerts, alert_times = unpack(KEYS)

local function gravity(packed)
  return string.find(ARGV[4], cjson.decode(packed).severity, 1, true) or 0
end

local held = redis.call('HGET', alerts, ARGV[1])
if held == ARGV[3] then
  return 1
end
if held and gravity(held) >= gravity(ARGV[3]) then  -- guarantee: alerts-are-kept-once
  return 0
end
redis.call('HSET', alerts, ARGV[1], ARGV[3])
redis.call('ZADD', alert_times, ARGV[2], ARGV[1])
return 1

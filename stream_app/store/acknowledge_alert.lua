-- Notes who takes care of a recent alert, or that nobody does. The first one stands, unless the alert is graver by now.
--
-- KEYS  alerts, acknowledged, newly_acknowledged
-- ARGV  1 alert_id, 2 packed acknowledgement, or '': nobody, 3 the severities, the gravest last, 4 now in ms
--       5 how many wait to be announced
-- Returns 1, or 0 if the alert is not among the recent ones.

local alerts, acknowledged, newly_acknowledged = unpack(KEYS)
local alert = redis.call('HGET', alerts, ARGV[1])
if not alert then  -- guarantee: only-recent-alerts-are-acknowledged
  return 0
end
if ARGV[2] == '' then
  redis.call('HDEL', acknowledged, ARGV[1])
  redis.call('ZREM', newly_acknowledged, ARGV[1])
  return 1
end

local function gravity(severity)
  return string.find(ARGV[3], severity, 1, true) or 0
end

local severity = cjson.decode(alert).severity
local held = redis.call('HGET', acknowledged, ARGV[1])
if not held or gravity(string.match(held, '^%a+')) < gravity(severity) then
  redis.call('HSET', acknowledged, ARGV[1], severity .. '\n' .. ARGV[2])
  redis.call('ZADD', newly_acknowledged, ARGV[4], ARGV[1])
  redis.call('ZREMRANGEBYRANK', newly_acknowledged, 0, -ARGV[5] - 1)
end
return 1

-- Mutes the rule and product of a recent alert, or ends that; mutes that are over go.
--
-- KEYS  alerts, muted, mute_ends
-- ARGV  1 alert_id, 2 packed mute, or '': none, 3 until when, 4 now (both in ms), 5 how many may stand
-- Returns 1, or 0 if the alert is not among the recent ones.

local alerts, muted, mute_ends = unpack(KEYS)
local packed = redis.call('HGET', alerts, ARGV[1])
if not packed then
  return 0
end

local function remove(keys)
  for _, key in ipairs(keys) do
    redis.call('HDEL', muted, key)
    redis.call('ZREM', mute_ends, key)
  end
end

local alert = cjson.decode(packed)
local key = alert.rule .. '|' .. alert.product_id
if ARGV[2] == '' then
  remove({key})
  return 1
end
redis.call('HSET', muted, key, ARGV[2])
redis.call('ZADD', mute_ends, ARGV[3], key)
remove(redis.call('ZRANGEBYSCORE', mute_ends, '-inf', ARGV[4]))
remove(redis.call('ZRANGE', mute_ends, 0, -ARGV[5] - 1))  -- guarantee: mutes-are-bounded
return 1

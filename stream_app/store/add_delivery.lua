-- Queues an alert for a receiver, or counts it as suppressed; each ref once.
--
-- KEYS  waiting, queued, the sorted set of its severity, handled, cool_downs, suppressed
-- ARGV  1 ref, 2 now, 3 when it is due (all times in ms), 4 packed alert, 5 why it is suppressed, or ''
--       6 key of the cool-down that it begins, or '', 7 until when, 8 how many refs and cool-downs are remembered
-- Returns 1, or 0 if this ref was handled before.

local waiting, queued, due, handled, cool_downs, suppressed = unpack(KEYS)
local ref, now, remembered = ARGV[1], ARGV[2], tonumber(ARGV[8])

if redis.call('ZSCORE', handled, ref) then  -- guarantee: delivery-is-queued-once
  return 0
end
redis.call('ZADD', handled, now, ref)
redis.call('ZREMRANGEBYRANK', handled, 0, -remembered - 1)
if ARGV[5] ~= '' then
  redis.call('HINCRBY', suppressed, ARGV[5], 1)
  return 1
end
redis.call('HSET', waiting, ref, ARGV[4])
redis.call('ZADD', queued, tonumber(ARGV[3]) > tonumber(now) and ARGV[3] or now, ref)  -- a digest's age counts from then
redis.call('ZADD', due, ARGV[3], ref)
if ARGV[6] ~= '' then
  redis.call('ZREMRANGEBYSCORE', cool_downs, '-inf', now)
  redis.call('ZADD', cool_downs, ARGV[7], ARGV[6])
  redis.call('ZREMRANGEBYRANK', cool_downs, 0, -remembered - 1)
end
return 1

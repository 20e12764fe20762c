-- Drops everything of a receiver, unless an alert was queued for it meanwhile.
--
-- KEYS  waiting, then its other keys
-- Returns 1, or 0 where something waits.

if redis.call('EXISTS', KEYS[1]) == 1 then  -- guarantee: receiver-that-came-back-is-not-forgotten
  return 0
end
redis.call('DEL', unpack(KEYS))
return 1

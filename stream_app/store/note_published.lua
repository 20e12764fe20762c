-- Notes that products.summaries has a summary of the product, and says when something is due next.
--
-- KEYS  state
-- ARGV  1 the changes (version + texts) that were published; '': nothing was, 2 when, in ms, 3... the fields to be returned
-- Returns their values. A product that the server has forgotten stays forgotten.

local state = KEYS[1]
if ARGV[1] ~= '' and redis.call('EXISTS', state) == 1 then
  redis.call('HSET', state, 'published', ARGV[1], 'published_at', ARGV[2])
end
return redis.call('HMGET', state, unpack(ARGV, 3))

-- Notes in a rebuilt view that products.summaries has the product's summary, where it says what the view says.
--
-- KEYS  state
-- ARGV  1 totals and 2 when its text was made, in ms, '' without one, of the published summary; 3 when it was published, in ms
-- Returns 1 noted, 0 it says something else: it is to be published.

local state = KEYS[1]
local held = redis.call('HMGET', state, 'totals', 'text', 'text_made_at', 'version', 'texts')
local made_at = held[2] and held[3] or ''
if held[1] ~= ARGV[1] or made_at ~= ARGV[2] then
  redis.call('HDEL', state, 'published', 'published_at')
  return 0
end
local version = string.format('%d', held[4] + (held[5] or 0))
redis.call('HSET', state, 'published', version, 'published_at', ARGV[3])
return 1

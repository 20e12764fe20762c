-- Notes in a rebuilt view that products.summaries has the product's summary, where it says what the view says.
--
-- KEYS  state
-- ARGV  1 totals and 2 when its text was made, in ms, '' without one, of the published summary; 3 when it was published, in ms
-- Returns 1 noted, 0 it says something else, or the log does not know the product.
--
-- What says something else is noted as -1, a version that no state has, so that the product's summary is to be published though
-- it has no reviews any more: the published one may quote them.

local state = KEYS[1]
local held = redis.call('HMGET', state, 'totals', 'text', 'text_made_at', 'version', 'texts')
if not held[4] then
  return 0
end
local totals = held[1] or '0 0 0 0 0 0 0 0 0 0'  -- of a product of which the log has deletions alone
local made_at = held[2] and held[3] or ''
local is_same = totals == ARGV[1] and made_at == ARGV[2]
local published = '-1'  -- guarantee: rebuilt-view-publishes-what-went
if is_same then
  published = string.format('%d', held[4] + (held[5] or 0))
end
redis.call('HSET', state, 'published', published, 'published_at', ARGV[3])
return is_same and 1 or 0

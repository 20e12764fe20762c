-- Writes a product's text, unless a review that it cites is no longer held in the revision that was read.
--
-- KEYS  state, reviews
-- ARGV  1 packed text, 2 packed {review_id: revision}
--       3 how many reviews were counted when it was made; '': as many as now
--       then review_id, revision, review_id, revision, ...
-- Returns 1 written, 0 refused.

local state, reviews = unpack(KEYS)
if redis.call('EXISTS', state) == 0 then
  return 0
end
for i = 4, #ARGV, 2 do
  local held = redis.call('HGET', reviews, ARGV[i])
  local revision, deleted = string.match(held or '', '^(%S+) (%S+)')
  if revision ~= ARGV[i + 1] or deleted ~= '0' then
    return 0
  end
end
local arrived = redis.call('HGET', state, 'arrived') or '0'
if ARGV[3] ~= '' then
  local totals = redis.call('HGET', state, 'totals') or '0 0 0 0'
  local negative, neutral, positive, unknown = string.match(totals, '^(%d+) (%d+) (%d+) (%d+)')
  local since = negative + neutral + positive + unknown - ARGV[3]
  arrived = string.format('%d', arrived - math.max(since, 0))
end
redis.call('HSET', state, 'text', ARGV[1], 'cited', ARGV[2], 'text_arrived', arrived)
redis.call('HINCRBY', state, 'texts', 1)
return 1

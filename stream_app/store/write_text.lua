-- Writes a product's text, unless a review that it cites is no longer held in the revision that was read; with its
-- highlights, which are places instead of words (see packing.pack_themes): without those whose review was edited or deleted.
--
-- KEYS  state, reviews
-- ARGV  1 packed text, 2 when it was made, in ms
--       3 totals of the reviews when it was made; '': as they are now
--       4 how many had arrived then; '': not known, it follows from the totals
--       5 how many of the reviews in these totals had come since it was made, where that is not known
--       6 what its highlights are, and when they were made, in ms; '' and '': those that stand stay
--       8 how many reviews these rest on; then review_id, revision, places of each
--       then review_id, revision, review_id, revision, ... of the reviews that the text cites
-- Returns 1 written, 0 refused.

local state, reviews = unpack(KEYS)
if redis.call('EXISTS', state) == 0 then
  return 0
end
local first_cited = 9 + 3 * ARGV[8]

local function stands(review_id, revision)
  local held, deleted = string.match(redis.call('HGET', reviews, review_id) or '', '^(%S+) (%S+)')
  return held == revision and deleted == '0'
end

for i = first_cited, #ARGV, 2 do
  if not stands(ARGV[i], ARGV[i + 1]) then  -- guarantee: text-cites-what-stands
    return 0
  end
end

local function reviews_in(tally)
  local negative, neutral, positive, unknown = string.match(tally, '^(%d+) (%d+) (%d+) (%d+)')
  return negative + neutral + positive + unknown
end

local totals = redis.call('HGET', state, 'totals') or '0 0 0 0 0 0 0 0 0 0'
local arrived = redis.call('HGET', state, 'arrived') or '0'
if ARGV[4] ~= '' then
  if tonumber(ARGV[4]) <= tonumber(arrived) then  -- more: of a state that this server forgot
    totals, arrived = ARGV[3], ARGV[4]  -- guarantee: reviews-that-come-meanwhile-are-new
  end
elseif ARGV[3] ~= '' then
  local since = reviews_in(totals) - reviews_in(ARGV[3])
  arrived = string.format('%d', math.max(arrived - math.max(since, 0) - ARGV[5], 0))
  totals = ARGV[3]
end
for _, field in ipairs(redis.call('HKEYS', state)) do
  if string.sub(field, 1, 6) == 'cited:' then
    redis.call('HDEL', state, field)
  end
end
for i = first_cited, #ARGV, 2 do
  redis.call('HSET', state, 'cited:' .. ARGV[i], ARGV[i + 1])
end
if ARGV[6] ~= '' then
  local lines = {ARGV[6]}
  for i = 9, first_cited - 1, 3 do
    if stands(ARGV[i], ARGV[i + 1]) then  -- guarantee: highlights-cite-what-stands
      lines[#lines + 1] = ARGV[i] .. '\t' .. ARGV[i + 1] .. '\t' .. ARGV[i + 2]
    end
  end
  redis.call('HSET', state, 'highlights', table.concat(lines, '\n') .. '\n', 'highlights_made_at', ARGV[7])
end
local texts = redis.call('HINCRBY', state, 'texts', 1)
local version = string.format('%d', (redis.call('HGET', state, 'version') or 0) + texts)
redis.call('HSET', state, 'text', ARGV[1], 'text_made_at', ARGV[2], 'text_arrived', arrived, 'text_totals', totals,
  'text_changed', version)
return 1

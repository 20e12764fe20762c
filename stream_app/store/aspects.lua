-- Counts what reviews say of aspects; the same as stream_app/steps/aspect_counts.py. Functions for apply.lua, in front of it.
--
-- Of a product's state: aspect_ids holds the ids in the order in which they appeared; an aspect's letter is its place there
-- ('A' is the first one). aspects (of all time) and aspects:<day> hold ';<letter> <mentions> <negative> <positive>;...'.

local FIRST_LETTER, MAX_ASPECTS = string.byte('A'), 60

-- "-durability -look *price" -> '-AC*D'. Aspects beyond MAX_ASPECTS are left out.
local function in_short(state, said)
  if said == '' then
    return ''
  end
  local ids = redis.call('HGET', state, 'aspect_ids') or ''
  local places, known = {}, 0
  for id in string.gmatch(ids, '%S+') do
    places[id], known = known, known + 1
  end
  local short, last, known_before = '', '', known
  for polarity, id in string.gmatch(said, '([-*+.])(%S+)') do
    if not places[id] and known < MAX_ASPECTS then  -- guarantee: aspects-of-a-product-are-bounded
      places[id], known, ids = known, known + 1, ids .. id .. ' '
    end
    if places[id] then
      short = short .. (polarity == last and '' or polarity) .. string.char(FIRST_LETTER + places[id])
      last = polarity
    end
  end
  if known > known_before then
    redis.call('HSET', state, 'aspect_ids', ids)
  end
  return short
end

-- What is kept behind a contribution; nothing behind one from before aspects were counted.
local function said_by(contribution)
  return string.match(contribution or '', ' ([-*+.]%S+)$') or ''
end

local function plus_said(tallies, short, sign)
  for polarity, letters in string.gmatch(short, '([-*+.])([^-*+.]+)') do
    local is_negative = (polarity == '-' or polarity == '*') and sign or 0
    local is_positive = (polarity == '+' or polarity == '*') and sign or 0
    for letter in string.gmatch(letters, '.') do
      local prefix = ';' .. letter .. ' '
      local mentions, negative, positive = 0, 0, 0
      local first, last = string.find(tallies, prefix, 1, true)
      if first then
        local _, tally_end, m, n, p = string.find(tallies, '^(%S+) (%S+) ([^;]+)', last + 1)
        mentions, negative, positive = m, n, p
        tallies = string.sub(tallies, 1, first - 1) .. string.sub(tallies, tally_end + 1)
      end
      mentions = mentions + sign
      if mentions > 0 then
        tallies = tallies .. prefix .. mentions .. ' ' .. (negative + is_negative) .. ' ' .. (positive + is_positive)
      end
    end
  end
  return tallies
end

-- Adds or takes away what a review says: of all time and, where its day (since 1970) is given, of the day.
local function count_aspects(state, short, day, sign)
  if short == '' then
    return
  end
  local fields = {'aspects', day and string.format('aspects:%d', day)}
  local held = redis.call('HMGET', state, unpack(fields))
  for i, field in ipairs(fields) do
    local tallies = plus_said(held[i] or '', short, sign)
    if tallies == '' then
      redis.call('HDEL', state, field)
    else
      redis.call('HSET', state, field, tallies)
    end
  end
end


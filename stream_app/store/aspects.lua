-- Counts what reviews say of aspects; the same as stream_app/steps/aspect_counts.py. Functions for apply.lua, in front of it.
--
-- Of a product's state: aspect_letters (' quality=A durability=B') gives each aspect a letter when it appears first. aspects
-- (of all time) and aspects:<day> hold ';<letter> <mentions> <negative> <positive>;...', in no order.

local LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

-- "-durability -look *price" -> '-AC*D'. Aspects for which no letter is left are passed over. held: aspect_letters
local function in_short(state, said, held)
  local letters, short, last = held or '', '', ''
  for polarity, id in string.gmatch(said, '([-*+.])(%S+)') do
    local letter = string.match(letters, ' ' .. id .. '=(.)')
    if not letter then
      local known = select(2, string.gsub(letters, '=', '='))
      letter = string.sub(LETTERS, known + 1, known + 1)  -- guarantee: aspects-of-a-product-are-bounded
      if letter ~= '' then
        letters = letters .. ' ' .. id .. '=' .. letter
      end
    end
    if letter ~= '' then
      short = short .. (polarity == last and '' or polarity) .. letter
      last = polarity
    end
  end
  if letters ~= (held or '') then
    redis.call('HSET', state, 'aspect_letters', letters)
  end
  return short
end

-- What is kept behind a contribution; nothing behind one from before aspects were counted.
local function said_by(contribution)
  return string.match(contribution or '', ' ([-*+.]%S+)$') or ''
end

-- Tallies with what a review says added (sign 1) or taken away (-1).
local function plus_said(tallies, short, sign)
  for polarity, letters in string.gmatch(short, '([-*+.])(%a+)') do
    local is_negative, is_positive = polarity == '-' or polarity == '*', polarity == '+' or polarity == '*'
    for letter in string.gmatch(letters, '%a') do
      local mentions, negative, positive, tally = 0, 0, 0, ''
      local first = string.find(tallies, ';' .. letter, 1, true) -- plain: a pattern is slow to find its beginning
      local last = #tallies
      if first then
        first, last, mentions, negative, positive = string.find(tallies, '^;%a (%S+) (%S+) ([^;]+)', first)
      else
        first = last + 1
      end
      mentions = mentions + sign
      if mentions > 0 then
        negative, positive = is_negative and negative + sign or negative, is_positive and positive + sign or positive
        tally = ';' .. letter .. ' ' .. mentions .. ' ' .. negative .. ' ' .. positive
      end
      tallies = string.sub(tallies, 1, first - 1) .. tally .. string.sub(tallies, last + 1)
    end
  end
  return tallies
end


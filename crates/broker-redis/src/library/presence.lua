
-- Who is in a channel, each call at once and as a whole. Beside KEYS[1] stand a hash at `PREFIX:members:NAME`
-- with what is shown of each client, a sorted set at `PREFIX:until:NAME` of clients by the millisecond until
-- which somebody vouches for them, and a hash at `PREFIX:users:NAME` with how many clients each user has. All
-- three end with the last client. What can be wrong is found before the first write.

local VOUCHED_TTL_MAX = 86400000
local CLIENT_BYTES_MAX = 64
local LISTED_MAX = 4294967295
-- Of those whom nobody vouches for, one call forgets so many, and about so many bytes; the next goes on.
local SWEPT_MAX = 1000
local SWEPT_BYTES_MAX = 1048576
-- Values that are read at once.
local PART = 100
-- So many milliseconds longer than the last client the keys live, at least.
local KEYS_MARGIN = 1000

local function milliseconds()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The user of a client as nodes write it down; nothing when somebody else wrote.
local function user_of(info)
  local user = info:match('^{"user":"([^"\\]*)"')
  if user then return user end
  local is_json, client = decode(info)
  user = is_json and type(client) == 'table' and client.user
  return type(user) == 'string' and user or nil
end

-- A channel, the time, and what is kept of one client.
local function visited(keys, client)
  local channel, wrong = channel_of(keys)
  if wrong then return nil, wrong end
  if client and (#client == 0 or #client > CLIENT_BYTES_MAX) then
    return nil, refusal('client must have 1 to ' .. CLIENT_BYTES_MAX .. ' bytes')
  end
  channel.now = milliseconds()
  if not client then return channel end
  local infos = redis.pcall('HMGET', channel.members, client)
  if infos.err then return nil, infos end
  local score = redis.pcall('ZSCORE', channel.expiries, client)
  if type(score) == 'table' and score.err then return nil, score end
  channel.info, channel.is_known = infos[1], infos[1] or score
  channel.is_member = tonumber(score or 0) > channel.now
  return channel
end

-- How many there are whom somebody vouches for.
local function present(channel)
  return redis.pcall('ZCOUNT', channel.expiries, string.format('(%.0f', channel.now), '+inf')
end

local function recount(changes, user, by)
  if user then changes.by_user[user] = (changes.by_user[user] or 0) + by end
end

local function let_go(changes, client, info)
  changes.gone[#changes.gone + 1] = client
  if info then recount(changes, user_of(info), -1) end
end

-- What there is to change because nobody vouches for some; `client` is dealt with by the caller.
local function overdue(channel, client)
  local changes = {gone = {}, by_user = {}}
  local stale = redis.pcall('ZRANGEBYSCORE', channel.expiries, '-inf', channel.now, 'LIMIT', 0, SWEPT_MAX)
  if stale.err then return nil, stale end
  local bytes = 0
  for first = 1, #stale, PART do
    if bytes > SWEPT_BYTES_MAX then break end
    local last = math.min(first + PART - 1, #stale)
    local infos = redis.pcall('HMGET', channel.members, unpack(stale, first, last))
    if infos.err then return nil, infos end
    for at = first, last do
      local info = infos[at - first + 1]
      bytes = bytes + (info and #info or 0)
      if stale[at] ~= client then let_go(changes, stale[at], info) end
    end
  end
  return changes
end

-- How many clients the users of changes will have, as users and numbers.
local function numbers_after(channel, changes)
  local users, numbers = {}, {}
  for user, by in pairs(changes.by_user) do
    if by ~= 0 then users[#users + 1] = user end
  end
  if #users == 0 then return users, nil, numbers end
  local found = redis.pcall('HMGET', channel.users, unpack(users))
  if found.err then return nil, found end
  for at, user in ipairs(users) do
    local before = number_within(found[at] or '', 1, LISTED_MAX) or 0
    numbers[at] = math.max(before + changes.by_user[user], 0)
  end
  return users, nil, numbers
end

local function carry_out(channel, changes, users, numbers)
  if #changes.gone > 0 then
    redis.call('ZREM', channel.expiries, unpack(changes.gone))
    redis.call('HDEL', channel.members, unpack(changes.gone))
  end
  for at, user in ipairs(users) do
    if numbers[at] > 0 then
      redis.call('HSET', channel.users, user, string.format('%.0f', numbers[at]))
    else
      redis.call('HDEL', channel.users, user)
    end
  end
  if #changes.gone > 0 and redis.call('ZCOUNT', channel.expiries, '-inf', '+inf') == 0 then
    redis.call('DEL', channel.members, channel.users)
  end
end

-- Keys end after the last client's time, which only a longer one defers; for a while more, so that not each call
-- has to defer it.
local function live_on(channel, ttl, has_keys)
  local left = redis.call('PTTL', channel.members)
  local needed = ttl + KEYS_MARGIN
  if has_keys and left >= needed then return end
  local life = string.format('%.0f', math.max(left, needed + math.floor(ttl / 4)))
  for _, key in ipairs({channel.members, channel.expiries, channel.users}) do
    redis.call('PEXPIRE', key, life)
  end
end

-- What is wrong about what is to be shown of a client.
local function mistaken(client, user, info)
  local is_json, shown = decode(info)
  local is_shown = is_json and type(shown) == 'table' and shown.user == user and shown.client == client
  -- Who goes is counted by what was shown.
  if is_shown and user_of(info) == user then return nil end
  return refusal('info must be a JSON object with the same client and user')
end

local function fanfare_enter(keys, args)
  if #args ~= 4 then return refusal('enter takes ttl, client, user, info') end
  local client, user, info = args[2], args[3], args[4]
  local channel, ttl, changes, users, numbers, wrong
  channel, wrong = visited(keys, client)
  if wrong then return wrong end
  ttl, wrong = whole_number('ttl', args[1], 1, VOUCHED_TTL_MAX)
  if wrong then return wrong end
  changes, wrong = overdue(channel, client)
  if wrong then return wrong end
  local is_shown = channel.info == info
  if not is_shown then
    wrong = mistaken(client, user, info)
    if wrong then return wrong end
    if channel.info then recount(changes, user_of(channel.info), -1) end
    recount(changes, user, 1)
  end
  users, wrong, numbers = numbers_after(channel, changes)
  if wrong then return wrong end
  -- Only the first write can fail.
  local added = redis.pcall('ZADD', channel.expiries, channel.now + ttl, client)
  if type(added) == 'table' then return added end
  if not is_shown then redis.call('HSET', channel.members, client, info) end
  carry_out(channel, changes, users, numbers)
  live_on(channel, ttl, added == 0 and is_shown)
  return {channel.is_member and 0 or 1, present(channel)}
end

local function fanfare_exit(keys, args)
  if #args ~= 1 then return refusal('exit takes client') end
  local channel, changes, users, numbers, wrong
  channel, wrong = visited(keys, args[1])
  if wrong then return wrong end
  changes, wrong = overdue(channel, args[1])
  if wrong then return wrong end
  if channel.is_known then let_go(changes, args[1], channel.info) end
  users, wrong, numbers = numbers_after(channel, changes)
  if wrong then return wrong end
  carry_out(channel, changes, users, numbers)
  return {channel.is_member and 1 or 0, present(channel)}
end

local function fanfare_members(keys, args)
  if #args ~= 1 then return refusal('members takes limit') end
  local channel, limit, wrong
  channel, wrong = visited(keys)
  if wrong then return wrong end
  limit, wrong = whole_number('limit', args[1], 0, LISTED_MAX)
  if wrong then return wrong end
  local reply = {present(channel)}
  if type(reply[1]) == 'table' then return reply[1] end
  if reply[1] == 0 or reply[1] > limit then return reply end
  local clients = redis.call('ZRANGEBYSCORE', channel.expiries, string.format('(%.0f', channel.now), '+inf')
  for first = 1, #clients, PART do
    local last = math.min(first + PART - 1, #clients)
    local infos = redis.pcall('HMGET', channel.members, unpack(clients, first, last))
    if infos.err then return infos end
    for at = 1, last - first + 1 do
      if infos[at] then reply[#reply + 1] = infos[at] end
    end
  end
  return reply
end

local function fanfare_count(keys, args)
  if #args ~= 0 then return refusal('count takes nothing but the key') end
  local channel, changes, users, numbers, wrong
  channel, wrong = visited(keys)
  if wrong then return wrong end
  changes, wrong = overdue(channel)
  if wrong then return wrong end
  users, wrong, numbers = numbers_after(channel, changes)
  if wrong then return wrong end
  local known = redis.pcall('HLEN', channel.users)
  if type(known) == 'table' then return known end
  carry_out(channel, changes, users, numbers)
  local clients = present(channel)
  -- Some of the users may have to be forgotten yet.
  return {clients, math.min(clients, redis.call('HLEN', channel.users))}
end

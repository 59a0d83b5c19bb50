
-- Publishes to channels and keeps their histories, each call at once and as a whole. KEYS[1] is the very name
-- that is published to: `PREFIX:ch:NAME`, or `PREFIX:ch:{NAME}` in Redis Cluster. Beside the stream at that
-- key stand a hash at `PREFIX:meta:NAME` and results at `PREFIX:once:NAME:IDEMPOTENCY-KEY:LENGTH-OF-NAME`.
-- All that can be wrong is found before the first write.

local VERSION = 2

-- Of the hash: epoch, last offset, history's size, its time and the hash's own in milliseconds, last version,
-- mark of the last publication.
local FIELDS = {'e', 't', 's', 'l', 'm', 'v', 've', 'k'}
local DEFAULTS = {size = 100, ttl = 300000, meta_ttl = 2592000000}
local SIZE_MAX = 4294967295
local TTL_MAX = 315360000000
local RULES = {{'size', 's', 0, SIZE_MAX}, {'ttl', 'l', 1, TTL_MAX}, {'meta_ttl', 'm', 1, TTL_MAX}}
local ONCE_TTL = 300000
local ONCE_BYTES_MAX = 4096
local EPOCH_BYTES_MAX = 255
local LIMIT_MAX = 1000
local MARKS = 4294967291
local NO_MARK = '\0\0\0\0'
local OFFSET_MAX = 2 ^ 53 - 2
-- Longer than the 40 s after which a node asks for a channel again.
local TOUCHED_WITHIN = 60000

-- What is remembered of a channel.
local function remembered(channel)
  local found = redis.pcall('HMGET', channel.meta, unpack(FIELDS))
  if found.err then return nil, found end
  local meta = {
    rules = {size = found[3] or '', ttl = found[4] or '', meta_ttl = found[5] or ''},
    version = found[6] or '',
    version_epoch = found[7] or '',
  }
  if found[1] then
    meta.epoch = number_within(found[1], 1, 4294967295)
    meta.top = number_within(found[2] or '', 0, OFFSET_MAX)
    if not meta.epoch or not meta.top then
      return nil, refusal('the hash beside the history holds what this library did not put there')
    end
    meta.mark = meta.top > 0 and number_within(found[8] or '', 1, MARKS) or nil
  end
  return meta
end

-- A number that another epoch or publication can hardly have: of the microsecond in which it begins.
local function new_mark()
  local time = redis.call('TIME')
  return (tonumber(time[1]) * 1000000 + tonumber(time[2])) % MARKS + 1
end

local function new_epoch(old)
  local epoch = new_mark()
  if epoch == old then epoch = old % MARKS + 1 end
  return epoch
end

-- What stands first in what the history keeps: the publication's mark, and that of the one before it.
local function marks_of(mark, previous)
  return field(9, struct.pack('>I4', mark) .. (previous and struct.pack('>I4', previous) or NO_MARK))
end

-- The mark of what the history has at an offset, if that can be told.
local function mark_at(channel, meta, offset)
  if offset == meta.top then return meta.mark end
  -- The one behind it is kept longer.
  local id = string.format('%.0f-0', offset + 1)
  local found = redis.pcall('XRANGE', channel.stream, id, id)
  local body = not found.err and found[1] and found[1][2][2] or ''
  local mark = body:sub(3, 7) == '\9\0\0\0\8' and struct.unpack('>I4', body, 12) or 0
  return mark > 0 and mark or nil
end

-- What to remember of a history that begins. No version is known of it.
local function begin(epoch, writes)
  for _, text in ipairs({'e', string.format('%.0f', epoch), 't', '0', 'v', '', 've', ''}) do
    writes[#writes + 1] = text
  end
end

-- The rules that hold, and what to remember of those that were given; texts of '' are not given.
local function rules_of(given, meta)
  local rules, writes = {}, {}
  for _, rule in ipairs(RULES) do
    local name, field, least, most = unpack(rule)
    if given[name] and given[name] ~= '' then
      local number, wrong = whole_number(name, given[name], least, most)
      if wrong then return nil, wrong end
      rules[name] = number
      -- What is not kept this once says nothing of the next.
      if given[name] ~= meta.rules[name] and (name ~= 'size' or number > 0) then
        writes[#writes + 1] = field
        writes[#writes + 1] = string.format('%.0f', number)
      end
    else
      rules[name] = number_within(meta.rules[name], least, most) or DEFAULTS[name]
    end
  end
  return rules, nil, writes
end

local NAMES = {
  size = true, ttl = true, meta_ttl = true, tags = true, key = true, version = true, version_epoch = true,
}

-- What is given by name after the payload.
local function named(args)
  local given = {}
  if #args == 0 then return nil, refusal('there is no payload') end
  for at = 2, #args, 2 do
    local name, text = args[at], args[at + 1]
    if not NAMES[name] then return nil, refusal('unknown argument ' .. quoted(name)) end
    if not text then return nil, refusal(name .. ' has no value') end
    if given[name] then return nil, refusal(name .. ' is given twice') end
    given[name] = text
  end
  if given.key and (#given.key == 0 or #given.key > ONCE_BYTES_MAX) then
    return nil, refusal('key must have 1 to ' .. ONCE_BYTES_MAX .. ' bytes')
  end
  if given.version then
    given.version = decimal(given.version)
    if not given.version then return nil, refusal('version must be a whole number of 64 bits') end
  elseif given.version_epoch then
    return nil, refusal('version_epoch needs version')
  end
  if given.version_epoch and #given.version_epoch > EPOCH_BYTES_MAX then
    return nil, refusal('version_epoch must have at most ' .. EPOCH_BYTES_MAX .. ' bytes')
  end
  return given
end

-- Whether something at least as new was accepted. Versions of different epochs are not compared.
local function is_outdated(given, meta)
  local known = given.version and decimal(meta.version)
  if not known then return false end
  local epoch = given.version_epoch or ''
  if epoch ~= '' and epoch ~= meta.version_epoch then return false end
  return not is_greater(given.version, known)
end

-- Appends to the history; then remembers. Only the first write can fail.
local function append(channel, meta, rules, writes, body, mark, given)
  local epoch, offset = meta.epoch or new_epoch(), (meta.top or 0) + 1
  if offset == 1 then
    -- Unlike DEL, HSET fails when memory is short.
    local begun = redis.pcall('HSET', channel.meta, 'e', string.format('%.0f', epoch), 't', '0')
    if type(begun) == 'table' then return nil, begun end
    redis.call('DEL', channel.stream)
  end
  local id = string.format('%.0f-0', offset)
  local added = redis.pcall('XADD', channel.stream, 'MAXLEN', '=', rules.size, id, 'b', body)
  if type(added) == 'table' and added.err then return nil, added end
  if given.version then
    for _, text in ipairs({'v', given.version, 've', given.version_epoch or ''}) do
      writes[#writes + 1] = text
    end
  end
  redis.call('HSET', channel.meta, 'e', string.format('%.0f', epoch), 't', string.format('%.0f', offset),
    'k', string.format('%.0f', mark), unpack(writes))
  redis.call('PEXPIRE', channel.stream, string.format('%.0f', rules.ttl))
  return {epoch, offset}
end

local function fanfare_publish(keys, args)
  local channel, given, meta, rules, writes, body, wrong
  channel, wrong = channel_of(keys)
  if wrong then return wrong end
  given, wrong = named(args)
  if wrong then return wrong end
  body, wrong = envelope_of(args[1], given.tags)
  if wrong then return wrong end
  meta, wrong = remembered(channel)
  if wrong then return wrong end
  rules, wrong, writes = rules_of(given, meta)
  if wrong then return wrong end
  if given.version and rules.size == 0 then return refusal('version needs a history, and size is 0') end
  local once = given.key and channel.once .. given.key .. ':' .. channel.name_bytes
  local before = once and redis.pcall('GET', once)
  if type(before) == 'table' and before.err then return before end
  if before then
    local epoch, offset = before:match('^(%d+):(%d+)$')
    return {tonumber(epoch or 0), tonumber(offset or 0), 1}
  end
  if is_outdated(given, meta) then return {meta.epoch or 0, meta.top or 0, 1} end
  local reply, place = {0, 0}, ''
  if rules.size > 0 then
    local mark = new_mark()
    local marks = marks_of(mark, meta.mark)
    reply, wrong = append(channel, meta, rules, writes, body.head .. marks .. body.fields, mark, given)
    if wrong then return wrong end
    place = struct.pack('>I4', reply[1]) .. struct.pack('>I4', math.floor(reply[2] / 4294967296))
    place = field(0, place .. struct.pack('>I4', reply[2] % 4294967296)) .. marks
  elseif #writes > 0 then
    redis.call('HSET', channel.meta, unpack(writes))
  end
  redis.call('PEXPIRE', channel.meta, string.format('%.0f', rules.meta_ttl))
  redis.call(channel.publish, channel.stream, body.head .. place .. body.fields)
  if once then redis.call('SET', once, string.format('%.0f:%.0f', reply[1], reply[2]), 'PX', ONCE_TTL) end
  return reply
end

-- The entries in the order asked for, as offset, body, offset, body.
local function entries_of(channel, since, limit, is_reverse)
  local found
  local since_id = since and '(' .. since .. '-0'
  if is_reverse then
    if since == '0' then return {} end
    found = redis.pcall('XREVRANGE', channel.stream, since_id or '+', '-', 'COUNT', limit)
  else
    found = redis.pcall('XRANGE', channel.stream, since_id or '-', '+', 'COUNT', limit)
  end
  if found.err then return nil, found end
  local entries = {}
  for at, entry in ipairs(found) do
    entries[2 * at - 1], entries[2 * at] = tonumber(entry[1]:match('^%d+')), entry[2][2]
  end
  return entries
end

-- Keeps what is known of a channel for as long as the rules say, to a sixteenth: nodes read often, and what is
-- written goes to disk and to replicas.
local function keep_known(channel, meta_ttl)
  local left = redis.call('PTTL', channel.meta)
  if left > meta_ttl or left < meta_ttl - meta_ttl / 16 or left < TOUCHED_WITHIN then
    redis.call('PEXPIRE', channel.meta, string.format('%.0f', meta_ttl))
  end
end

local function fanfare_read(keys, args)
  local channel, meta, rules, writes, limit, entries, wrong
  channel, wrong = channel_of(keys)
  if wrong then return wrong end
  if #args ~= 6 then return refusal('read takes size, ttl, meta_ttl, since, limit, reverse') end
  meta, wrong = remembered(channel)
  if wrong then return wrong end
  rules, wrong, writes = rules_of({size = args[1], ttl = args[2], meta_ttl = args[3]}, meta)
  if wrong then return wrong end
  local since = args[4] ~= '' and decimal(args[4]) or nil
  if args[4] ~= '' and not since then return refusal('since must be a whole number of 64 bits, or empty') end
  limit, wrong = whole_number('limit', args[5], 0, LIMIT_MAX)
  if wrong then return wrong end
  if args[6] ~= '0' and args[6] ~= '1' then return refusal('reverse must be 0 or 1') end
  local is_new = not meta.epoch
  if is_new then
    meta.epoch, meta.top = new_epoch(), 0
    begin(meta.epoch, writes)
  end
  entries = {}
  -- Behind the top there is nothing, which is what most channels are asked for after an outage.
  local is_at_top = args[6] == '0' and since and tonumber(since) == meta.top
  if not is_new and limit > 0 and not is_at_top then
    entries, wrong = entries_of(channel, since, limit, args[6] == '1')
    if wrong then return wrong end
  end
  if #writes > 0 then
    -- Without memory for rules a history can still be read.
    wrong = redis.pcall('HSET', channel.meta, unpack(writes))
    if is_new and type(wrong) == 'table' then return wrong end
  end
  if is_new then redis.call('DEL', channel.stream) end
  keep_known(channel, rules.meta_ttl)
  return {meta.epoch, meta.top, meta.mark or 0, unpack(entries)}
end

local function fanfare_remove(keys, args)
  local channel, meta, wrong
  channel, wrong = channel_of(keys)
  if wrong then return wrong end
  if #args ~= 0 then return refusal('remove takes nothing but the key') end
  meta, wrong = remembered(channel)
  if wrong then return wrong end
  keep_known(channel, number_within(meta.rules.meta_ttl, 1, TTL_MAX) or DEFAULTS.meta_ttl)
  return redis.call('DEL', channel.stream)
end

local function fanfare_renew(keys, args)
  local channel, meta, rules, writes, wrong
  channel, wrong = channel_of(keys)
  if wrong then return wrong end
  if #args ~= 6 then return refusal('renew takes epoch, offset, mark, size, ttl, meta_ttl') end
  local epoch, offset = decimal(args[1]), number_within(args[2], 0, OFFSET_MAX)
  local mark = number_within(args[3], 0, 4294967295)
  if not epoch or not offset or not mark then
    return refusal('epoch, offset and mark must be whole numbers')
  end
  meta, wrong = remembered(channel)
  if wrong then return wrong end
  rules, wrong, writes = rules_of({size = args[4], ttl = args[5], meta_ttl = args[6]}, meta)
  if wrong then return wrong end
  local is_lost = not meta.epoch or meta.epoch == tonumber(epoch) and meta.top < offset
  if not is_lost and mark > 0 and meta.epoch == tonumber(epoch) then
    is_lost = (mark_at(channel, meta, offset) or mark) ~= mark
  end
  if is_lost then
    meta.epoch, meta.top, meta.mark = new_epoch(tonumber(epoch)), 0, nil
    redis.call('DEL', channel.stream)
    begin(meta.epoch, writes)
  end
  if #writes > 0 then redis.call('HSET', channel.meta, unpack(writes)) end
  redis.call('PEXPIRE', channel.meta, string.format('%.0f', rules.meta_ttl))
  return {meta.epoch, meta.top, meta.mark or 0}
end

local function fanfare_library()
  return VERSION
end

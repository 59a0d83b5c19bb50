
local NAME_BYTES_MAX = 255

-- The keys of a channel, out of the name that is published to.
local function channel_of(keys)
  if #keys ~= 1 then return nil, refusal('there must be one key, the name of the channel') end
  local key = keys[1]
  local first, last = key:find(':ch:', 1, true)
  local name = first and first > 1 and key:sub(last + 1) or ''
  local inner = name:match('^{(.*)}$')
  local bare = inner or name
  if #bare == 0 or #bare > NAME_BYTES_MAX or bare:find('[^ -z|~]') then
    return nil, refusal('the key must be PREFIX:ch:CHANNEL, or PREFIX:ch:{CHANNEL} in Redis Cluster')
  end
  local prefix = key:sub(1, first - 1)
  return {
    stream = key,
    meta = prefix .. ':meta:' .. name,
    once = prefix .. ':once:' .. name .. ':',
    members = prefix .. ':members:' .. name,
    expiries = prefix .. ':until:' .. name,
    users = prefix .. ':users:' .. name,
    name_bytes = #bare,
    publish = inner and 'SPUBLISH' or 'PUBLISH',
  }
end

-- What texts from outside must be: numbers, JSON, envelopes. Touches no key. What is wrong comes as a second
-- result, an error that can be answered as it is; errors of this library begin with FANFARE.

local U64_MAX = '18446744073709551615'

local function refusal(text)
  return {err = 'FANFARE ' .. text}
end

-- Names from outside, fit to stand in an error.
local function quoted(text)
  return "'" .. text:sub(1, 32):gsub('[^%w_%-]', '?') .. "'"
end

-- Decimal numbers too long to be Lua's: whether a > b.
local function is_greater(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end

local function decimal(text)
  if not text:find('^%d+$') then return nil end
  if text:find('^0%d') then text = text:gsub('^0+(%d)', '%1') end
  if is_greater(text, U64_MAX) then return nil end
  return text
end

local function number_within(text, least, most)
  -- Most numbers are short, and then any digits are exact.
  local digits = #text < 16 and text:find('^%d+$') and text or decimal(text)
  local number = digits and tonumber(digits)
  return number and number >= least and number <= most and number or nil
end

local function whole_number(name, text, least, most)
  local number = number_within(text, least, most)
  if number then return number end
  return nil, refusal(string.format('%s must be a whole number from %.0f to %.0f', name, least, most))
end

-- Whether text that cjson took for JSON is JSON to everybody: no control characters in strings, no broken
-- UTF-8, no numbers like `1.` and `-.5`.
local function is_strict(text)
  if not text:find('[%z\1-\31\128-\255.]') then return true end
  if text:find('%z') then return false end
  if text:find('[\128-\255]') then
    local rest = text:gsub('[\194-\223][\128-\191]', ' '):gsub('\224[\160-\191][\128-\191]', ' ')
    rest = rest:gsub('[\225-\236\238\239][\128-\191][\128-\191]', ' '):gsub('\237[\128-\159][\128-\191]', ' ')
    rest = rest:gsub('\240[\144-\191][\128-\191][\128-\191]', ' ')
    rest = rest:gsub('[\241-\243][\128-\191][\128-\191][\128-\191]', ' ')
    rest = rest:gsub('\244[\128-\143][\128-\191][\128-\191]', ' ')
    if rest:find('[\128-\255]') then return false end
  end
  if text:find('[\1-\31]') or text:find('%.%D') or text:find('%.$') or text:find('-.', 1, true) then
    local is_clean = true
    local rest = text:gsub('\\.', ''):gsub('"[^"]*"', function(inner)
      is_clean = is_clean and not inner:find('[\1-\31]')
      return ' '
    end)
    return is_clean and not (rest:find('%.%D') or rest:find('%.$') or rest:find('-.', 1, true))
  end
  return true
end

-- Of its own, since what other scripts let cjson accept is not ours to change.
local json

local function decode(text)
  if not json then
    json = cjson.new()
    json.decode_invalid_numbers(false)
  end
  local is_json, value = pcall(json.decode, text)
  return is_json and is_strict(text), value
end

local function field(id, bytes)
  return string.char(id) .. struct.pack('>I4', #bytes) .. bytes
end

-- The head and the fields of a body: those of an envelope, or one made around JSON. Which versions there are is
-- the nodes' business: all have the same shape.
local function envelope_of(payload, tags)
  if payload:byte(1) == 250 then
    if (payload:byte(2) or 0) == 0 then return nil, refusal('the envelope is of an unknown version') end
    if tags then return nil, refusal('tags belong into the envelope') end
    local at, has_payload = 3, false
    while at <= #payload do
      local id = payload:byte(at)
      if at + 4 > #payload then return nil, refusal('the envelope is cut short') end
      at = at + 5 + struct.unpack('>I4', payload, at + 1)
      if id == 0 or id == 9 then return nil, refusal('the envelope has a position already') end
      has_payload = has_payload or id == 1
    end
    if at ~= #payload + 1 then return nil, refusal('the envelope is cut short') end
    if not has_payload then return nil, refusal('the envelope has no payload') end
    return {head = payload:sub(1, 2), fields = payload:sub(3)}
  end
  if not decode(payload) then
    return nil, refusal('the payload must be one JSON value: put a text into double quotes, like "hello"')
  end
  local fields = field(1, payload)
  if tags then
    local is_json, by_name = decode(tags)
    local is_object = is_json and tags:find('^%s*{') ~= nil
    for _, text in pairs(is_object and by_name or {}) do
      is_object = is_object and type(text) == 'string'
    end
    if not is_object then return nil, refusal('tags must be a JSON object of texts') end
    fields = fields .. field(2, tags)
  end
  return {head = '\250\1', fields = fields}
end

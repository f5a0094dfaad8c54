r"""The store's transitions, each atomic because Redis runs a script alone.

Keys: `task:<id>` (hash), `unique:<name>\\n<key>` and `idempotent:<key>` (ids), `links:<id>` (who comes after),
`running:<scope>` and `starts:<scope>` (limits), `index` (all ids), `finished` (by time), `outbox` (tickets that
streaq may not have yet, by time), `stats`.
"""

SCRIPT = """
local P = ARGV[1]
local op = ARGV[2]
local now = tonumber(ARGV[3])
local data = cjson.decode(ARGV[4])
local FINAL = {succeeded = true, failed = true, cancelled = true}

local function key(id) return P .. 'task:' .. id end
local function get(id, field) return redis.call('HGET', key(id), field) end

local function move(id, status)
  local old = get(id, 'status')
  local category = get(id, 'category')
  if old then redis.call('HINCRBY', P .. 'stats', category .. '\\n' .. old, -1) end
  redis.call('HINCRBY', P .. 'stats', category .. '\\n' .. status, 1)
  redis.call('HSET', key(id), 'status', status)
end

local function ticket(id, due)
  local number = get(id, 'number')
  redis.call('ZADD', P .. 'outbox', now, id .. '/' .. number)
  return {id, tonumber(number), get(id, 'category'), tonumber(get(id, 'priority')), tostring(due)}
end

local function scopes(id) return {'category:' .. get(id, 'category'), 'task:' .. get(id, 'name')} end

local function leave(id)
  for _, scope in ipairs(scopes(id)) do redis.call('SREM', P .. 'running:' .. scope, id) end
end

local function finish(id, status, result, err, released)
  local stack = {{id, status, result, err}}
  while #stack > 0 do
    local item = table.remove(stack)
    local id, status = item[1], item[2]
    leave(id)
    move(id, status)
    redis.call('HINCRBY', key(id), 'number', 1)
    redis.call('HSET', key(id), 'finished_at', ARGV[3])
    redis.call('HDEL', key(id), 'cancelling')
    if item[3] then redis.call('HSET', key(id), 'result', item[3]) end
    if item[4] then redis.call('HSET', key(id), 'error', item[4]) end
    redis.call('ZADD', P .. 'finished', now, id)
    local unique = get(id, 'unique')
    if unique and redis.call('GET', P .. 'unique:' .. unique) == id then redis.call('DEL', P .. 'unique:' .. unique) end
    redis.call('PUBLISH', P .. 'events', 'final:' .. id)
    for _, follower in ipairs(redis.call('SMEMBERS', P .. 'links:' .. id)) do
      if get(follower, 'status') == 'scheduled' then
        if status == 'succeeded' or get(follower, 'always') == '1' then
          if redis.call('HINCRBY', key(follower), 'waiting', -1) == 0 then
            move(follower, 'pending')
            table.insert(released, ticket(follower, 0))
          end
        else
          table.insert(stack, {follower, 'cancelled', false, 'a task it comes after did not succeed: ' .. id})
        end
      end
    end
    redis.call('DEL', P .. 'links:' .. id)
  end
end

local function add(spec, released)
  local id, name, unique, idempotent = spec.id, spec.name, spec.unique, spec.idempotent
  if redis.call('EXISTS', key(id)) == 1 then return {id, 0} end
  if idempotent then
    local known = redis.call('GET', P .. 'idempotent:' .. idempotent)
    if known then return {known, 0} end
  end
  if unique then
    local known = redis.call('GET', P .. 'unique:' .. name .. '\\n' .. unique)
    if known then return {known, 0} end
    redis.call('SET', P .. 'unique:' .. name .. '\\n' .. unique, id)
    redis.call('HSET', key(id), 'unique', name .. '\\n' .. unique)
  end
  if idempotent then
    redis.call('SET', P .. 'idempotent:' .. idempotent, id)
    redis.call('HSET', key(id), 'idempotent', idempotent)
  end
  redis.call('HSET', key(id), 'name', name, 'category', spec.category, 'priority', spec.priority, 'number', 1,
    'attempt', 0, 'crashes', 0, 'due', spec.due, 'always', spec.always and '1' or '0', 'spec', spec.text)
  redis.call('ZADD', P .. 'index', 0, id)
  local waiting, doomed = 0, false
  for _, before in ipairs(spec.after) do
    local status = get(before, 'status')
    if status and not FINAL[status] then
      waiting = waiting + 1
      redis.call('SADD', P .. 'links:' .. before, id)
    elseif status and status ~= 'succeeded' and not spec.always then
      doomed = true
    end
  end
  redis.call('HSET', key(id), 'waiting', waiting)
  if doomed then
    move(id, 'scheduled')
    finish(id, 'cancelled', false, 'a task it comes after did not succeed', released)
  elseif waiting > 0 then
    move(id, 'scheduled')
  else
    move(id, tonumber(spec.due) > now and 'scheduled' or 'pending')
    table.insert(released, ticket(id, spec.due))
  end
  return {id, 1}
end

local function limited(id, limits)
  for _, scope in ipairs(scopes(id)) do
    local limit = limits[scope]
    if limit then
      if limit[1] ~= cjson.null and redis.call('SCARD', P .. 'running:' .. scope) >= limit[1] then return 0.05 end
      if limit[2] ~= cjson.null then
        local starts = P .. 'starts:' .. scope
        redis.call('ZREMRANGEBYSCORE', starts, '-inf', now - limit[3])
        if redis.call('ZCARD', starts) >= limit[2] then
          local oldest = redis.call('ZRANGE', starts, 0, 0, 'WITHSCORES')
          return math.max(0.01, tonumber(oldest[2]) + limit[3] - now)
        end
      end
    end
  end
  for _, scope in ipairs(scopes(id)) do
    if limits[scope] then
      redis.call('SADD', P .. 'running:' .. scope, id)
      if limits[scope][2] ~= cjson.null then
        redis.call('ZADD', P .. 'starts:' .. scope, now, id .. '/' .. get(id, 'number') .. '/' .. get(id, 'attempt'))
        redis.call('PEXPIRE', P .. 'starts:' .. scope, math.ceil(limits[scope][3] * 1000) + 1000)
      end
    end
  end
  return nil
end

-- The unique key of a task that comes back; false if another one has it now.
local function retake(id)
  local unique = get(id, 'unique')
  if not unique then return true end
  local holder = redis.call('GET', P .. 'unique:' .. unique)
  if holder then return holder == id end
  redis.call('SET', P .. 'unique:' .. unique, id)
  return true
end

if op == 'add' then
  local answers, released = {}, {}
  for _, spec in ipairs(data.specs) do table.insert(answers, add(spec, released)) end
  return cjson.encode({answers, released})
end

if op == 'begin' then
  local id, status = data.id, get(data.id, 'status')
  redis.call('ZREM', P .. 'outbox', id .. '/' .. data.number)
  if not status or FINAL[status] or tonumber(get(id, 'number')) ~= data.number or tonumber(get(id, 'waiting')) > 0 then
    return cjson.encode({state = 'stale'})
  end
  if status == 'running' then
    redis.call('HINCRBY', key(id), 'crashes', 1)
  else
    local wait = limited(id, data.limits)
    if wait then return cjson.encode({state = 'limited', wait = tostring(wait)}) end
    redis.call('HINCRBY', key(id), 'attempt', 1)
    move(id, 'running')
  end
  redis.call('HSET', key(id), 'worker', data.session, 'started_at', ARGV[3])
  return cjson.encode({state = 'run', spec = get(id, 'spec'), attempt = tonumber(get(id, 'attempt')),
    crashes = tonumber(get(id, 'crashes')), cancelled = get(id, 'cancelling') == '1'})
end

if op == 'finish' or op == 'again' then
  local id, released = data.id, {}
  local status = get(id, 'status')
  if not status or tonumber(get(id, 'number')) ~= data.number or (status ~= 'running' and not data.unclaimed) then
    return cjson.encode(released)
  end
  if op == 'again' and get(id, 'cancelling') ~= '1' then
    leave(id)
    if not data.counted and status == 'running' then redis.call('HINCRBY', key(id), 'attempt', -1) end
    redis.call('HINCRBY', key(id), 'number', 1)
    redis.call('HSET', key(id), 'due', data.due)
    if data.error then redis.call('HSET', key(id), 'error', data.error) end
    move(id, (data.counted or tonumber(data.due) > now) and 'retrying' or 'pending')
    table.insert(released, ticket(id, data.due))
  elseif op == 'again' then
    finish(id, 'cancelled', false, 'cancelled while it ran', released)
  else
    finish(id, data.status, data.result, data.error, released)
  end
  return cjson.encode(released)
end

if op == 'cancel' then
  local reached, released = 0, {}
  for _, id in ipairs(data.ids) do
    local status = get(id, 'status')
    if status == 'running' then
      if get(id, 'cancelling') ~= '1' then
        reached = reached + 1
        redis.call('HSET', key(id), 'cancelling', '1')
        redis.call('PUBLISH', P .. 'events', 'cancel:' .. id)
      end
    elseif status and not FINAL[status] then
      reached = reached + 1
      finish(id, 'cancelled', false, 'cancelled before it ran', released)
    end
  end
  return cjson.encode({reached, released})
end

if op == 'requeue' then
  local released = {}
  for _, id in ipairs(data.ids) do
    local status = get(id, 'status')
    local again = (status == 'failed' or status == 'cancelled') and retake(id)
    local hurry = (status == 'scheduled' or status == 'retrying') and tonumber(get(id, 'waiting')) == 0
    if again or hurry then
      redis.call('HINCRBY', key(id), 'number', 1)
      redis.call('HSET', key(id), 'due', '0')
      redis.call('HDEL', key(id), 'cancelling', 'finished_at')
      redis.call('ZREM', P .. 'finished', id)
      if again then redis.call('HSET', key(id), 'attempt', 0, 'crashes', 0, 'waiting', 0) end
      move(id, 'pending')
      table.insert(released, ticket(id, 0))
    end
  end
  return cjson.encode(released)
end

if op == 'overdue' then
  local released = {}
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', P .. 'outbox', '-inf', now - data.age, 'LIMIT', 0, 1000)) do
    local id, number = string.match(entry, '^(.*)/(%d+)$')
    if get(id, 'number') == number then
      table.insert(released, {id, tonumber(number), get(id, 'category'), tonumber(get(id, 'priority')), get(id, 'due')})
    else
      redis.call('ZREM', P .. 'outbox', entry)
    end
  end
  return cjson.encode(released)
end

if op == 'clean' then
  local old = redis.call('ZRANGEBYSCORE', P .. 'finished', '-inf', now - data.retention, 'LIMIT', 0, 1000)
  for _, id in ipairs(old) do
    local status, category = get(id, 'status'), get(id, 'category')
    local idempotent = get(id, 'idempotent')
    if status then redis.call('HINCRBY', P .. 'stats', category .. '\\n' .. status, -1) end
    if idempotent and redis.call('GET', P .. 'idempotent:' .. idempotent) == id then
      redis.call('DEL', P .. 'idempotent:' .. idempotent)
    end
    redis.call('DEL', key(id))
    redis.call('ZREM', P .. 'index', id)
    redis.call('ZREM', P .. 'finished', id)
  end
  return #old
end
"""

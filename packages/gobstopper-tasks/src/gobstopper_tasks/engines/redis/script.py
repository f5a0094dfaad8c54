r"""The store's transitions, each atomic because Redis runs a script alone.

Keys: `task:<id>` (hash), `unique:<name>\\n<key>` and `idempotent:<key>` (ids), `links:<id>` (who comes after),
`running:<scope>` and `starts:<scope>` (limits), `parked` (scopes that hold tasks back), `parked:<scope>` (those, by
priority), `woken:<scope>` (those that were published anew, by time), `index` (all ids), `finished` (by time), `outbox`
(tickets that streaq may not have yet, by time), `results` (by the time they are kept until), `stats`.
"""

SCRIPT = """
local P = ARGV[1]
local op = ARGV[2]
local now = tonumber(ARGV[3])
local data = cjson.decode(ARGV[4])
local WOKEN = 5
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

local function unpark(id)
  local scope = get(id, 'parked')
  if scope then
    redis.call('ZREM', P .. 'parked:' .. scope, id)
    redis.call('ZREM', P .. 'woken:' .. scope, id)
    redis.call('HDEL', key(id), 'parked')
  end
end

local function finish(id, status, result, err, released)
  local stack = {{id, status, result, err}}
  while #stack > 0 do
    local item = table.remove(stack)
    local id, status = item[1], item[2]
    leave(id)
    unpark(id)
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

-- How many more may start now; if none may because of the rate, the seconds until one may.
local function room(scope, limit)
  local free, wait = 1000, false
  if limit[1] ~= cjson.null then free = limit[1] - redis.call('SCARD', P .. 'running:' .. scope) end
  if free > 0 and limit[2] ~= cjson.null then
    local starts = P .. 'starts:' .. scope
    redis.call('ZREMRANGEBYSCORE', starts, '-inf', now - limit[3])
    free = math.min(free, limit[2] - redis.call('ZCARD', starts))
    if free <= 0 then
      local oldest = redis.call('ZRANGE', starts, 0, 0, 'WITHSCORES')
      wait = math.max(0.01, tonumber(oldest[2]) + limit[3] - now)
    end
  end
  return free, wait
end

-- Those that were published anew and whose place is kept until they come.
local function reserved(scope, limit)
  return redis.call('ZCOUNT', P .. 'woken:' .. scope, '(' .. now - WOKEN, now + limit[3] + WOKEN)
end

-- Publish those that are parked in a scope for which there is room; only those of which `field` is not `value`.
local function wake(scope, count, delay, released, field, value)
  local found = count > 0 and redis.call('ZRANGE', P .. 'parked:' .. scope, 0, field and 999 or count - 1) or {}
  for _, id in ipairs(found) do
    if count > 0 and (not field or get(id, field) ~= value) then
      count = count - 1
      redis.call('ZREM', P .. 'parked:' .. scope, id)
      redis.call('ZADD', P .. 'woken:' .. scope, now + delay, id)
      redis.call('HINCRBY', key(id), 'number', 1)
      table.insert(released, ticket(id, delay > 0 and now + delay or 0))
    end
  end
end

local function fill(scope, limit, released, field, value)
  local free, wait = room(scope, limit)
  local kept = reserved(scope, limit)
  wake(scope, wait and (kept == 0 and 1 or 0) or free - kept, wait or 0, released, field, value)
end

-- True: the task may not start now and is parked. False: it may, and counts from now on.
local function limited(id, limits, released)
  local was = get(id, 'parked')
  local woken = was and redis.call('ZSCORE', P .. 'woken:' .. was, id)
  unpark(id)
  local blocked
  for _, scope in ipairs(scopes(id)) do
    if limits[scope] and not blocked then
      local free = room(scope, limits[scope])
      if not (woken and was == scope) then
        -- A newcomer goes behind those that wait already, and takes no place that is reserved.
        redis.call('ZADD', P .. 'parked:' .. scope, -tonumber(get(id, 'priority')), id)
        free = free - reserved(scope, limits[scope]) - redis.call('ZRANK', P .. 'parked:' .. scope, id)
        redis.call('ZREM', P .. 'parked:' .. scope, id)
      end
      if free <= 0 then blocked = scope end
    end
  end
  if blocked then
    redis.call('ZADD', P .. 'parked:' .. blocked, -tonumber(get(id, 'priority')), id)
    redis.call('HSET', key(id), 'parked', blocked)
    redis.call('SADD', P .. 'parked', blocked)
  end
  local field = blocked and (string.sub(blocked, 1, 5) == 'task:' and 'name' or 'category')
  for _, scope in ipairs(scopes(id)) do
    if limits[scope] and not blocked then
      redis.call('SADD', P .. 'running:' .. scope, id)
      if limits[scope][2] ~= cjson.null then
        redis.call('ZADD', P .. 'starts:' .. scope, now, id .. '/' .. get(id, 'number') .. '/' .. get(id, 'attempt'))
        redis.call('PEXPIRE', P .. 'starts:' .. scope, math.ceil(limits[scope][3] * 1000) + 1000)
      end
    end
    if limits[scope] and (not blocked or scope == blocked) then
      fill(scope, limits[scope], released)
    elseif limits[scope] then  -- its place here is free for another that the same limit does not hold back
      fill(scope, limits[scope], released, field, get(id, field))
    end
  end
  return blocked ~= nil
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
  local id, status, released = data.id, get(data.id, 'status'), {}
  redis.call('ZREM', P .. 'outbox', id .. '/' .. data.number)
  if not status or FINAL[status] or tonumber(get(id, 'number')) ~= data.number or tonumber(get(id, 'waiting')) > 0 then
    return cjson.encode({state = 'stale'})
  end
  if status == 'running' then
    redis.call('HINCRBY', key(id), 'crashes', 1)
  else
    if limited(id, data.limits, released) then return cjson.encode({state = 'parked', released = released}) end
    redis.call('HINCRBY', key(id), 'attempt', 1)
    move(id, 'running')
  end
  redis.call('HSET', key(id), 'worker', data.session, 'started_at', ARGV[3])
  return cjson.encode({state = 'run', released = released, spec = get(id, 'spec'),
    attempt = tonumber(get(id, 'attempt')), crashes = tonumber(get(id, 'crashes')),
    cancelled = get(id, 'cancelling') == '1'})
end

if op == 'finish' or op == 'again' then
  local id, released = data.id, {}
  local status = get(id, 'status')
  if not status or tonumber(get(id, 'number')) ~= data.number or status ~= 'running' then
    return cjson.encode(released)
  end
  if op == 'again' and get(id, 'cancelling') ~= '1' then
    leave(id)
    if not data.counted then redis.call('HINCRBY', key(id), 'attempt', -1) end
    redis.call('HINCRBY', key(id), 'number', 1)
    redis.call('HSET', key(id), 'due', data.due)
    if data.error then redis.call('HSET', key(id), 'error', data.error) end
    move(id, (data.counted or tonumber(data.due) > now) and 'retrying' or 'pending')
    table.insert(released, ticket(id, data.due))
  elseif op == 'again' then
    finish(id, 'cancelled', false, 'cancelled while it ran', released)
  else
    finish(id, data.status, data.result, data.error, released)
    if data.result then redis.call('ZADD', P .. 'results', data['until'], id) end
  end
  return cjson.encode(released)
end

if op == 'unpark' then
  local released = {}
  for _, scope in ipairs(data.scopes or redis.call('SMEMBERS', P .. 'parked')) do
    local limit = data.limits[scope]
    -- Later than the rate would have it: that was another one when the ticket was published.
    local late = '(' .. now + (limit and limit[3] or 0) + WOKEN
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'woken:' .. scope, late, '+inf')) do
      redis.call('ZREM', P .. 'woken:' .. scope, id)
      redis.call('ZADD', P .. 'parked:' .. scope, -tonumber(get(id, 'priority')), id)
    end
    if redis.call('EXISTS', P .. 'parked:' .. scope, P .. 'woken:' .. scope) == 0 then
      redis.call('SREM', P .. 'parked', scope)
    elseif limit then
      fill(scope, limit, released)
    else
      wake(scope, 1000, 0, released)
    end
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
      unpark(id)
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
    redis.call('ZREM', P .. 'results', id)
  end
  -- The result goes when its time is over, the task itself when the retention is.
  local expired = redis.call('ZRANGEBYSCORE', P .. 'results', '-inf', now, 'LIMIT', 0, 1000)
  for _, id in ipairs(expired) do
    redis.call('HDEL', key(id), 'result')
    redis.call('ZREM', P .. 'results', id)
  end
  return math.max(#old, #expired)
end
"""

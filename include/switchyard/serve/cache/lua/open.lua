-- Open the gate after the publish, or restore a lost one.
-- KEYS[1] gate   ARGV[1] seq that MongoDB serves   ARGV[2] '1' if the changed keys were invalidated, else '0'
-- Returns {answer, gate}: 'opened', 'restored' (not this seq's closed gate: everything older is below the floor), 'open'
-- (it was already) or 'superseded' (a higher seq is here; nothing changes).
local gate = redis.call('GET', KEYS[1])
local gate_seq, floor, state = string.match(gate or '', '^(%d+)|(%d+)|(%a+)$')
local answer = 'restored'
if gate_seq and tonumber(gate_seq) > tonumber(ARGV[1]) then return {'superseded', gate} end
if gate_seq == ARGV[1] and state == 'open' then return {'open', gate} end
if gate_seq == ARGV[1] and ARGV[2] == '1' then answer = 'opened' else floor = ARGV[1] end
gate = ARGV[1] .. '|' .. floor .. '|open'
redis.call('SET', KEYS[1], gate)
return {answer, gate}

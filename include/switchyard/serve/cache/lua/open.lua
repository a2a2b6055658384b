-- Open the gate after the publish, or restore a lost one.
-- KEYS[1] gate   ARGV[1] seq that MongoDB serves   ARGV[2] 'invalidated': the changed keys are out; 'restore': nothing was
-- published; 'upgrade': the same, and a gate of an earlier release is known to be of this collection
-- ARGV[3] identity of the collection
-- Returns {answer, gate}: 'opened', 'upgraded' (a gate of an earlier release got its identity; its values count),
-- 'restored' (not this seq's closed gate: everything older is below the floor), 'open' (it was already) or 'superseded' (a
-- higher seq is here, or this seq was used for another collection; nothing changes).
local seq, mode, identity = ARGV[1], ARGV[2], ARGV[3]
local gate = redis.call('GET', KEYS[1])
local gate_seq, floor, state, owner = string.match(gate or '', '^(%d+)|(%d+)|(%a+)|?(%x*)$')
local same = gate_seq == seq
local answer = 'restored'
if gate_seq and tonumber(gate_seq) > tonumber(seq) then return {'superseded', gate} end
if same and owner ~= '' and owner ~= identity then return {'superseded', gate} end
if same and owner == identity and state == 'open' then return {'open', gate} end
if same and owner == identity and mode == 'invalidated' then answer = 'opened'
elseif same and owner == '' and state == 'open' and mode == 'upgrade' then answer = 'upgraded'
else floor = seq end
gate = seq .. '|' .. floor .. '|open|' .. identity
redis.call('SET', KEYS[1], gate)
return {answer, gate}

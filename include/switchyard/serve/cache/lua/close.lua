-- Close the gate for the publish of a higher seq.
-- KEYS[1] gate   ARGV[1] seq of the publish   ARGV[2] seq that is served now, 0 if unknown   ARGV[3] identity of the
-- collection
-- Returns {answer, gate}: 'closed', 'resumed' (closed by this seq before), 'open' (this seq's publish had ended) or
-- 'superseded' (a higher seq was here, or this seq was used for another collection). The last two change nothing.
local seq, served, identity = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local gate = redis.call('GET', KEYS[1])
local gate_seq, floor, state, owner = string.match(gate or '', '^(%d+)|(%d+)|(%a+)|?(%x*)$')
if gate_seq and tonumber(gate_seq) > seq then return {'superseded', gate} end
if gate_seq and tonumber(gate_seq) == seq then
  if owner ~= '' and owner ~= identity then return {'superseded', gate} end
  if state == 'open' then return {'open', gate} end
  if owner == identity then return {'resumed', gate} end
end
-- Values in Redis are trusted only if the gate stood open for the very version of the very collection that is served: the
-- changed keys are counted from there. Otherwise (gate lost, a publish abandoned, an old snapshot, another collection,
-- a gate of an earlier release) everything is put below the floor.
if owner ~= identity or state ~= 'open' or tonumber(gate_seq) ~= served then floor = ARGV[1] end
gate = ARGV[1] .. '|' .. floor .. '|closed|' .. identity
redis.call('SET', KEYS[1], gate)
return {'closed', gate}

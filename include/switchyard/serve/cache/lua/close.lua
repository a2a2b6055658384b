-- Close the gate for the publish of a higher seq.
-- KEYS[1] gate   ARGV[1] seq of the publish   ARGV[2] seq that is served now, 0 if unknown
-- Returns {answer, gate}: 'closed', 'resumed' (closed by this seq before), 'open' (this seq's publish had ended) or
-- 'superseded' (a higher seq was here). The last two change nothing.
local seq, served = tonumber(ARGV[1]), tonumber(ARGV[2])
local gate = redis.call('GET', KEYS[1])
local gate_seq, floor, state = string.match(gate or '', '^(%d+)|(%d+)|(%a+)$')
if gate_seq and tonumber(gate_seq) > seq then return {'superseded', gate} end
if gate_seq and tonumber(gate_seq) == seq then
  if state == 'open' then return {'open', gate} end
  return {'resumed', gate}
end
-- Values in Redis are trusted only if the gate stood open for the very version that is served: the changed keys are
-- counted from there. Otherwise (gate lost, a publish abandoned, an old snapshot) everything is put below the floor.
if not gate_seq or state ~= 'open' or tonumber(gate_seq) ~= served then floor = ARGV[1] end
gate = ARGV[1] .. '|' .. floor .. '|closed'
redis.call('SET', KEYS[1], gate)
return {'closed', gate}

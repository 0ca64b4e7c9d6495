-- What a script does all day: strings cut and joined, tables that grow, closures, garbage.
local rounds = tonumber(arg[1]) or 10

local function words(seed, count)
  local made, state = {}, seed
  for i = 1, count do
    state = (state * 1103515245 + 12345) % 2147483648
    made[i] = string.rep(string.char(97 + state % 26), 1 + state % 24) .. i
  end
  return made
end

local total = 0
local kept = {}
for round = 1, rounds do
  local list = words(round, 3000)
  local joined = table.concat(list, " ")
  local seen = {}
  for word in joined:gmatch("%S+") do
    seen[#seen + 1] = { text = word:upper(), size = #word, next = function() return round end }
  end
  table.sort(seen, function(a, b) return a.size < b.size or a.size == b.size and a.text < b.text end)
  kept[round % 8 + 1] = seen -- the last eight rounds stay alive
  total = total + #joined + seen[1].next()
end
print("total " .. total)

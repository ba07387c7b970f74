-- Keeps the slot ARGV[1] for ARGV[2] milliseconds from now unless it is there; 1 if it was not.

forget_expired()
if expiry(ARGV[1]) then
  return 0
end
put(ARGV[1], now + ARGV[2], 0)
return 1

-- Keeps the slot ARGV[1] for ARGV[2] milliseconds from now, whatever was there.

forget_expired()
put(ARGV[1], now + ARGV[2], 0)

-- How many milliseconds the slot ARGV[1] lasts still; 0 if it is not there.

return (expiry(ARGV[1]) or now) - now

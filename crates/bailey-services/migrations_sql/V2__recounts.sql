-- Nights in which what rows take was counted anew; one host does it.
CREATE TABLE bailey_host.recounts (
    day date PRIMARY KEY
);
